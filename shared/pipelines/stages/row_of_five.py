"""The five stages in a row on businesses that no model was trained on: what the pipeline says end to end.

Each stage is asked as in production: its model answers, through the guard where the first answer breaks a rule; its
rules answer where it has no model. The businesses are held-out ones; where too few of them have all inputs, made-up
ones of a seed that nothing else uses fill the row up, for nothing but inputs is needed of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import Connection

from shared.contracts import JsonObject, Path, Verdict
from shared.db import stages
from shared.llm.tuned import First
from shared.pipeline import SplitPolicy
from shared.pipelines.stages.contracts import as_json, canonical, parse_input, synthesis_input
from shared.pipelines.stages.contracts_inputs import StageInput
from shared.pipelines.stages.contracts_outputs import StageOutput
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.gates import enough_rows, figure_verdicts
from shared.pipelines.stages.guard import StageGuard
from shared.pipelines.stages.model import StageModel
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.sample_business import businesses
from shared.pipelines.stages.tally import Tally, quantile
from shared.pipelines.stages.versions import ANALYSES, STAGES, SYNTHESIS, Stage
from shared.splits import split_of

WINDOW: Final = "pipeline"
_SEED: Final = 2**31 - 1  # of made-up businesses for this alone: packs are made of other seeds
_P95: Final = 0.95

Models = Mapping[Stage, StageModel]
"""The models by stage; a stage without one is answered by its rules."""


@dataclass(frozen=True, kw_only=True)
class Business:
    """What the first four stages are given of one business."""

    company: JsonObject
    inputs: Mapping[Stage, StageInput]


@dataclass(frozen=True, kw_only=True)
class Through:
    """What came of taking businesses through all five stages."""

    rows: int
    figures: JsonObject
    verdicts: tuple[Verdict, ...]


def split_policy() -> SplitPolicy:
    """Return how businesses are split: the same way as the rows that models are trained on."""
    return SplitPolicy(test_share=policy().test_share, seed=policy().seed)


def held_out(groups: Sequence[str]) -> list[str]:
    """Return the businesses that no model is trained on."""
    return [group for group in groups if split_of(group, split_policy()) == "test"]


def businesses_to_try(conn: Connection) -> tuple[list[Business], int]:
    """Return held-out businesses, filled up with made-up ones to the least that is needed; and how many are those."""
    rules = policy().evals
    groups = held_out(stages.whole_groups(conn, ANALYSES))[: rules.max_pipeline_rows]
    found = [
        _business({stage: parse_input(stage, raw[stage]) for stage in ANALYSES})
        for raw in stages.inputs_of_groups(conn, ANALYSES, groups).values()
    ]
    missing = max(0, rules.min_pipeline_rows - len(found))
    return [*found, *(_business(each.inputs) for each in businesses(missing, seed=_SEED))], missing


def _business(inputs: Mapping[Stage, StageInput]) -> Business:
    return Business(company=as_json(inputs["quant_signals"])["company"], inputs=inputs)


def all_in_a_row(
    tried: Sequence[Business], made_up: int, models: Models, report: Callable[[float, str], None]
) -> Through:
    """Take businesses through the five stages, some at a time. Raises what completions raise."""
    track = _Track(models)
    batch = policy().model.batch
    for start in range(0, len(tried), batch):
        some = tried[start : start + batch]
        track.begin(some)
        for place, stage in enumerate(STAGES):
            report((start + len(some) * place / len(STAGES)) / len(tried), f"all five in a row: {stage}")
            track.take(stage)
        track.end()
    figures = {**track.figures(), "made_up": made_up}
    verdicts = (
        enough_rows(
            len(tried), policy().evals.min_pipeline_rows, window=WINDOW, what="businesses taken through all five"
        ),
        *figure_verdicts(figures, window=WINDOW, agreement=False, of="All five in a row: "),
    )
    return Through(rows=len(tried), figures=figures, verdicts=verdicts)


class _Track:
    """Takes some businesses through stage after stage, and counts."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._asked, self._given = Tally(), Tally()
        self._some: Sequence[Business] = ()
        self._said: list[dict[Stage, StageOutput]] = []
        self._seconds: list[float] = []
        self._cost = 0.0
        self._whole = self._rows = 0
        self._replaced: list[bool] = []

    def begin(self, some: Sequence[Business]) -> None:
        self._some, self._said = some, [{} for _ in some]
        self._replaced = [False] * len(some)
        self._seconds += [0.0] * len(some)

    def take(self, stage: Stage) -> None:
        """Let a stage answer for all of the businesses."""
        values = [
            synthesis_input(each.company, said) if stage == SYNTHESIS else each.inputs[stage]
            for each, said in zip(self._some, self._said, strict=True)
        ]
        model = self._models.get(stage)
        firsts = model.first(values) if model else [None] * len(values)
        for place, (value, first) in enumerate(zip(values, firsts, strict=True)):
            output = self._answered(model, value, first, place) if model and first else deterministic(value)
            self._said[place][stage] = output
            if stage == SYNTHESIS:
                self._given.add(value, First(text=canonical(output), faults=()))

    def _answered(self, model: StageModel, value: StageInput, first: First, place: int) -> StageOutput:
        self._asked.add(value, first)
        self._seconds[place - len(self._some)] += first.seconds or 0.0
        self._cost += first.cost_usd or 0.0
        checked = StageGuard(value).check(first.text)
        if not isinstance(checked, tuple):
            return checked
        found = model.ask(value)  # its first answer is found again in the cache
        self._replaced[place] |= found.path is Path.FALLBACK
        return found.output

    def end(self) -> None:
        self._rows += len(self._some)
        self._whole += self._replaced.count(False)

    def figures(self) -> JsonObject:
        """Return the figures: of the models' first answers, or of what the rules gave where there is no model."""
        given = self._given.figures()
        asked = self._asked.figures() if self._models else given
        return {
            **asked,
            "answers": asked["rows"],
            "rows": self._rows,
            "without_fallback": self._whole / self._rows if self._rows else None,
            "homogeneity": given["homogeneity"],
            "p50_seconds": quantile(self._seconds, 0.5),
            "p95_seconds": quantile(self._seconds, _P95),
            "cost_usd": self._cost / self._rows if self._rows else None,
        }
