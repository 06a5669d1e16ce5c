"""What the rows must show that a model was trained on, before it may be promoted: enough of them, and diverse ones."""

from collections.abc import Iterator

from shared.contracts import Verdict
from shared.gates import minimum_rows
from shared.pipeline import Row
from shared.pipelines.stages import diversity
from shared.pipelines.stages.contracts import stage_named
from shared.pipelines.stages.diversity import diversity_row
from shared.pipelines.stages.lines import label_of
from shared.pipelines.stages.policy import policy

STAGE_ROWS = "stage_rows"


def eligible(surface: str, rows: Iterator[Row]) -> tuple[Verdict, ...]:
    """Return the verdicts on the rows of a stage's dataset: its minimum, and the gates of diversity."""
    stage, rules = stage_named(surface), policy()
    labels = ((row.id, label_of(row.label)) for row in rows)
    found = diversity.measure(
        stage, (diversity_row(stage, row_id, label.industry, label.output) for row_id, label in labels)
    )
    enough = minimum_rows(STAGE_ROWS, found.rows, rules.min_samples[stage], what=f"approved rows of {stage}")
    return (enough, *diversity.gates(found, rules.training_diversity))
