"""What ``stages.evals`` said of a model at last, for its promotion: whoever asked for a report meant it to count."""

from typing import Final

from psycopg import Connection

from shared.contracts import JsonObject, Outcome, Verdict
from shared.db import stages
from shared.pipelines.stages.contracts import stage_named
from shared.pipelines.stages.evals import EvalsResult

EVALS: Final = "evals"


def reports(conn: Connection, stage: str, model_id: str) -> tuple[Verdict, ...]:
    """Return the verdict of the latest evals that tried this very model; none, where nobody has run them."""
    found = stages.latest_evals(conn, stage, model_id)
    return (verdict(stage, found),) if found else ()


def verdict(stage: str, result: JsonObject) -> Verdict:
    """Say whether evals let a stage's model through: by its own rows, and by the five in a row with it among them."""
    said = EvalsResult.model_validate(result)
    about = (*said.stages[stage_named(stage)].verdicts, *said.pipeline.verdicts)
    left = [each for each in about if each.outcome is not Outcome.PASS]
    name = next((name for name in said.files.sizes if name.endswith(".json")), EVALS)
    if not left:
        return Verdict(gate=EVALS, outcome=Outcome.PASS, sentence=f"It passed its latest evals, {name}.")
    failed = any(each.outcome is Outcome.FAIL for each in left)
    why = " ".join(dict.fromkeys(each.sentence for each in left))
    return Verdict(
        gate=EVALS,
        outcome=Outcome.FAIL if failed else Outcome.INSUFFICIENT,
        sentence=f"Its latest evals, {name}, did not pass: {why}",
        short_of_rows=all(each.short_of_rows for each in left),
    )
