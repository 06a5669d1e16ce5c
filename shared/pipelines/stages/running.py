"""The steps ``make-packs`` and ``run-packs``: five stages in a row on each pack, for a person to look at.

A stage's active model answers, through the guard; its rules answer when there is none, or the stage is pinned to them.
What comes out are candidates: rows that nobody has approved, and a review file of them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract, Path
from shared.db import stages
from shared.db.stages import Answerer, NewRow
from shared.files import ResultFiles, Upload, open_upload, publish_files
from shared.pipeline import Done, Run
from shared.pipelines.stages import review_files
from shared.pipelines.stages.approving import review_file
from shared.pipelines.stages.contracts import as_json, row_id, synthesis_input
from shared.pipelines.stages.contracts_inputs import StageInput
from shared.pipelines.stages.contracts_outputs import StageOutput
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.packs import (
    MAX_PACKS,
    IndustryMix,
    Pack,
    choose_packs,
    field_counts,
    read_packs,
    write_packs,
)
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.versions import ANALYSES, STAGES, SYNTHESIS, Stage

PACKS_FILE: Final = "train/packs/packs.jsonl"
RULES: Final = "rules"
_SEED: Final = 42
_MOST_ITERATIONS: Final = 200  # a new slice finds again what was answered, which must take less than a slice


# --- make-packs -----------------------------------------------------------------------------------------------------


class MakePacksParams(Contract):
    """How many packs to make."""

    count: int = Field(default=policy().packs.count, ge=1, le=MAX_PACKS, description="Packs, each of one business.")
    seed: int = Field(default=_SEED, ge=0, lt=2**63, description="Decides which businesses are made up.")


class MakePacksResult(Contract):
    """What the packs are of. ``gaps``: areas of figures that a business does not have, counted over all packs."""

    packs: int
    industries: dict[str, int]
    sizes: dict[str, int]
    seasons: dict[str, int]
    gaps: int
    files: ResultFiles


def make_packs(run: Run, params: MakePacksParams) -> Done:
    """Make up businesses of many industries, sizes and seasons, with gaps in their figures, and write their packs."""
    packs = made_up(params.count, params.seed)
    result = MakePacksResult(
        packs=len(packs),
        industries=dict(Counter(pack.industry for pack in packs).most_common()),
        sizes=field_counts(packs, "size"),
        seasons=field_counts(packs, "season"),
        gaps=sum(_gaps(pack) for pack in packs),
        files=publish_files(run.artifacts, {PACKS_FILE: write_packs(packs)}),
    )
    return Done(result=result)


def made_up(count: int, seed: int) -> list[Pack]:
    """Return the packs of made-up businesses; the same seed makes up the same ones."""
    from shared.pipelines.stages.sample import businesses

    return [
        Pack(
            business=business.key,
            industry=business.industry,
            inputs={stage: as_json(business.inputs[stage]) for stage in ANALYSES},
        )
        for business in businesses(count, seed=seed)
    ]


def _gaps(pack: Pack) -> int:
    areas = ("quotes", "invoices", "jobs", "money", "capacity")
    return sum(area not in pack.inputs["quant_signals"] for area in areas)


# --- run-packs ------------------------------------------------------------------------------------------------------


class RunPacksParams(Contract):
    """Which packs to run."""

    packs: Upload | None = Field(
        default=None, description="A file of packs. Empty: those that stages.make-packs makes of the seed."
    )
    iterations: int = Field(
        default=policy().packs.iterations, ge=1, le=_MOST_ITERATIONS, description="How many packs to run."
    )
    industry_mix: IndustryMix = Field(
        default="balanced", description="`balanced`: every industry as often; `weighted`: as often as among the packs."
    )
    min_industries: int = Field(
        default=policy().packs.min_industries, ge=1, description="Fewer industries among them are refused."
    )
    seed: int = Field(default=_SEED, ge=0, lt=2**63, description="Decides which packs are run.")


class RunPacksResult(Contract):
    """The candidates. ``new`` were not there before; ``decided`` ones a person knows, so the review file has no more.

    ``paths``: how the answers came about, by stage. ``models``: who answered, by stage.
    """

    sentence: str
    packs: int
    industries: dict[str, int]
    candidates: int
    new: int
    decided: int
    paths: dict[Stage, dict[str, int]]
    models: dict[Stage, str]
    files: ResultFiles


class Asks(Protocol):
    """Answers some inputs of one stage, in order."""

    def __call__(self, values: Sequence[StageInput]) -> list[tuple[StageOutput, Path]]:
        """Return an answer for each input, and how it came about."""
        ...


@dataclass
class _Candidates:
    """The rows so far, and how they came about."""

    rows: list[NewRow] = field(default_factory=list)
    paths: dict[Stage, Counter[str]] = field(default_factory=lambda: {stage: Counter() for stage in STAGES})


def run_packs(run: Run, params: RunPacksParams) -> Done:
    """Run the five stages over the packs and keep the answers as candidates.

    An attempt that is cut off finds its answers again in the cache. Raises RefusedError when the packs are too few or
    of too few industries, or an active model is of another provider, and what completions raise.
    """
    packs = _packs(run, params)
    with run.reading() as conn:
        answerers = stages.answerers(conn)
    asks = {stage: _asks(answerers.get(stage), run.job_id) for stage in STAGES}
    found = _Candidates()
    batch = policy().model.batch
    for start in range(0, len(packs), batch):
        some = packs[start : start + batch]
        _run_some(run, some, asks, found, answerers, share=start / len(packs), step=len(some) / len(packs))
    return _recorded(run, packs, found, answerers)


def _packs(run: Run, params: RunPacksParams) -> list[Pack]:
    if params.packs is None:
        packs = made_up(max(params.iterations, policy().packs.count), params.seed)
    else:
        with open_upload(run, params.packs) as file:
            packs = read_packs(file)
    return choose_packs(packs, params.iterations, params.industry_mix, params.min_industries, seed=params.seed)


def _run_some(
    run: Run, packs: Sequence[Pack], asks: Mapping[Stage, Asks], found: _Candidates,
    answerers: Mapping[str, Answerer], *, share: float, step: float,
) -> None:  # fmt: skip
    """Take some packs through the five stages, each stage for all of them at once."""
    said: list[dict[Stage, StageOutput]] = [{} for _ in packs]
    for place, stage in enumerate(STAGES):
        run.report(share + step * place / len(STAGES), f"asking {stage}", candidates=len(found.rows))
        values = [
            synthesis_input(pack.company, answers) if stage == SYNTHESIS else pack.value(stage)
            for pack, answers in zip(packs, said, strict=True)
        ]
        for pack, value, answers, (output, path) in zip(packs, values, said, asks[stage](values), strict=True):
            answers[stage] = output
            found.paths[stage][path.value] += 1
            by_model = answerers.get(stage) if path is not Path.FALLBACK else None
            found.rows.append(_candidate(pack, stage, value, output, by_model.id if by_model else RULES))


def _candidate(pack: Pack, stage: Stage, value: StageInput, output: StageOutput, by: str) -> NewRow:
    return NewRow(
        id=row_id(stage, value, output), stage=stage, industry=pack.industry, group_key=pack.business,
        input=as_json(value), output=as_json(output), pack=pack.id, answered_by=by,
    )  # fmt: skip


def _asks(answerer: Answerer | None, job_id: str) -> Asks:
    """Return who answers for a stage: its active model, or its rules."""
    return _by_rules if answerer is None else partial(_by_model, answerer, job_id)


def _by_rules(values: Sequence[StageInput]) -> list[tuple[StageOutput, Path]]:
    return [(deterministic(value), Path.FALLBACK) for value in values]


def _by_model(answerer: Answerer, job_id: str, values: Sequence[StageInput]) -> list[tuple[StageOutput, Path]]:
    from shared.pipelines.stages.model import StageModel, completions_of

    completions = completions_of(answerer.provider)
    model = StageModel(answerer.provider_model, completions, job_id=job_id)
    ask = partial(model.ask, timeout_s=policy().model.answer_seconds)  # a round fits into the queue's limit
    return [(guarded.output, guarded.path) for guarded in completions.each(ask, values)]


def _recorded(run: Run, packs: Sequence[Pack], found: _Candidates, answerers: Mapping[str, Answerer]) -> Done:
    rows = list({row.id: row for row in found.rows}.values())
    with run.reading() as conn:
        known = stages.rows_of(conn, [row.id for row in rows])
    open_rows = [row for row in rows if row.id not in known or known[row.id].approved is None]
    industries = dict(Counter(pack.industry for pack in packs).most_common())
    result = RunPacksResult(
        sentence=f"{len(packs)} packs of {len(industries)} industries gave {len(open_rows)} candidates;"
        " none counts before a person approves it (stages.approve).",
        packs=len(packs),
        industries=industries,
        candidates=len(rows),
        new=0,
        decided=len(rows) - len(open_rows),
        paths={stage: dict(paths) for stage, paths in found.paths.items()},
        models={stage: answerers[stage].version if stage in answerers else RULES for stage in STAGES},
        files=publish_files(run.artifacts, {review_file(): review_files.write_review(open_rows)}),
    )

    def record(conn: Connection) -> RunPacksResult:
        return result.model_copy(update={"new": stages.put_rows(conn, rows, "pack")})

    return Done(result=result, record=record)
