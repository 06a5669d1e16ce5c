"""The step ``diversity``: may a stage's approved rows be trained on? If not, a recipe says what would let them.

It looks at the very rows that ``freeze`` takes. The result has the recipe in a sentence, the file has it row by row.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Final

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract, JsonObject, Outcome, Verdict
from shared.db import stages
from shared.files import ResultFiles, publish_files
from shared.gates import minimum_rows
from shared.ids import made_at
from shared.pipeline import Done, Run, SplitPolicy
from shared.pipelines.stages.contracts import stage_named
from shared.pipelines.stages.diversity import DiversityRow, diversity_row, gates, measure
from shared.pipelines.stages.policy import LivePolicy, policy
from shared.pipelines.stages.recipe import Recipe, recipe
from shared.pipelines.stages.versions import Stage
from shared.splits import split_of

FOLDER: Final = "train/diversity"
HELD_OUT: Final = "held_out"
MIN_SAMPLES: Final = "min_samples"
_EVERY: Final = 1_000


LiveMinRows = Annotated[int, Field(ge=1, description="Approved rows that a live fine-tune needs.")]
MaxHomogeneityShare = Annotated[
    float, Field(ge=0, le=1, description="The largest industry's share that is let through for a live fine-tune.")
]


class DiversityParams(Contract):
    """Which rows to look at, and whether they are to be paid for."""

    stage: Stage = Field(description="The stage.")
    days: int | None = Field(default=None, ge=1, le=3_650, description="Only rows approved in so many days.")
    live: bool = Field(default=False, description="Ask for what a live fine-tune needs besides.")
    live_min_rows: LiveMinRows = policy().live.min_rows
    max_homogeneity_share: MaxHomogeneityShare = policy().live.max_homogeneity_share


class DiversityResult(Contract):
    """What was found. ``sentence`` has the recipe where the rows do not pass; ``files`` has it row by row."""

    stage: Stage
    passed: bool
    sentence: str
    figures: JsonObject
    left_out: dict[str, int]
    verdicts: tuple[Verdict, ...]
    files: ResultFiles


def check_diversity(run: Run, params: DiversityParams) -> Done:
    """Measure the rows and ask the gates. A "no" is a result."""
    stage = stage_named(params.stage)
    rules, live = policy().training_diversity, _live(params)
    with run.reading() as conn:
        rows = _Rows(run, conn, stage, params.days)
        found = measure(stage, rows.all())
        verdicts = (*gates(found, rules, live), *rows.trainable())
        advised = recipe(stage, rows.all, rules, live, stages.waiting_industries(conn, stage))
    passed = all(verdict.outcome is Outcome.PASS for verdict in verdicts)
    left_out = {reason: count for reason, count in rows.left_out.items() if count}
    sentence = _sentence(stage, verdicts, advised, left_out)
    report = {
        "sentence": sentence,
        "passed": passed,
        "figures": found.figures(),
        "left_out": left_out,
        "verdicts": [verdict.model_dump(mode="json") for verdict in verdicts],
        "recipe": advised.model_dump(mode="json"),
    }
    name = f"{FOLDER}/{stage}/diversity_{made_at(run.job_id):%Y%m%dT%H%M%SZ}.json"
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    result = DiversityResult(
        stage=stage, passed=passed, sentence=sentence, figures=found.figures(), left_out=left_out, verdicts=verdicts,
        files=publish_files(run.artifacts, {name: text.encode()}),
    )  # fmt: skip
    return Done(result=result)


def _live(params: DiversityParams) -> LivePolicy | None:
    given = LivePolicy(min_rows=params.live_min_rows, max_homogeneity_share=params.max_homogeneity_share)
    return given if params.live else None


def _sentence(stage: Stage, verdicts: tuple[Verdict, ...], advised: Recipe, left_out: dict[str, int]) -> str:
    against = [verdict.sentence for verdict in verdicts if verdict.outcome is not Outcome.PASS]
    if not against:
        return f"The approved rows of {stage} are different enough to train on."
    said = f"The approved rows of {stage} may not be trained on. {' '.join(against)}"
    if "schema-version" in left_out:
        said += f" {left_out['schema-version']:,} approved rows are of another schema_version and do not count."
    return said if advised.passes else f"{said} What would pass: {advised.sentence}"


class _Rows:
    """A stage's trainable rows, as often as they are asked for; the first walk through them counts."""

    def __init__(self, run: Run, conn: Connection, stage: Stage, days: int | None) -> None:
        self._run = run
        self._conn = conn
        self._stage = stage
        self._days = days
        self._split = SplitPolicy(test_share=policy().test_share, seed=policy().seed)
        self._rows = self._held_out = 0
        self.left_out = stages.left_out(conn, stage, days)

    def all(self) -> Iterator[DiversityRow]:
        """Yield the rows, then those that only lack an industry."""
        self._rows = self._held_out = 0
        for row in stages.shipped_rows(self._conn, self._stage, self._days):
            if self._rows % _EVERY == 0:
                self._run.report(0.0, "measuring", rows=self._rows)
            self._rows += 1
            self._held_out += split_of(row.group, self._split) == "test"
            yield diversity_row(self._stage, row.id, row.industry, row.output)
        for number in range(self.left_out.get("no-industry", 0)):
            yield DiversityRow(f"without-{number}", None, (), None)

    def trainable(self) -> tuple[Verdict, ...]:
        """Say whether the rows could be frozen: enough of them, and some on either side of the split."""
        rules = policy()
        least = rules.min_samples[self._stage]
        held_out = minimum_rows(HELD_OUT, self._held_out, 1, what="approved rows of businesses that are held out")
        if least <= rules.training_diversity.min_total_rows:  # which is asked for already
            return (held_out,)
        return minimum_rows(MIN_SAMPLES, self._rows, least, what="approved rows"), held_out
