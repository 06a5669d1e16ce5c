"""Retraining by the week: which stages have enough newly approved rows (``due``), and shipping those (``ship-due``)."""

from collections.abc import Sequence

from pydantic import Field

from shared.contracts import Contract
from shared.db import stages
from shared.pipeline import Done, Next, Run, StepDone
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.ship import ShipParams, summaries
from shared.pipelines.stages.summary import ShipResult, name_of, ship_result
from shared.pipelines.stages.versions import NAME, STAGES, Stage


class DueParams(Contract):
    """How many new rows are enough."""

    new_rows: int | None = Field(
        default=None, ge=1, description="Newly approved rows that start a ship. Empty: as the policy says."
    )


class DueResult(Contract):
    """The rows of each stage that were approved after its last live fine-tune, and the stages with enough of them."""

    sentence: str
    due: tuple[Stage, ...]
    new: dict[Stage, int]


class ShipDueParams(DueParams):
    """What starts a ship. Whether it is live is for the policy to say (``[ship]``)."""


def due(run: Run, params: DueParams) -> Done:
    """Count the new rows of each stage."""
    least = params.new_rows or policy().ship.new_rows
    with run.reading() as conn:
        found = stages.fresh(conn)
    new = {stage: found.get(stage, 0) for stage in STAGES}
    enough = tuple(stage for stage in STAGES if new[stage] >= least)
    told = ", ".join(f"{stage} {count:,}" for stage, count in new.items())
    listed = ", ".join(enough) or "no stage"
    sentence = f"{listed} to be shipped: {least:,} newly approved rows start it. There are: {told}."
    return Done(result=DueResult(sentence=sentence, due=enough, new=new))


def ship_due(params: ShipDueParams, done: Sequence[StepDone]) -> Next | Done:
    """Decide what follows: count, then ship each stage that is due."""
    if not done:
        return Next(kind=f"{NAME}.due", params=DueParams(new_rows=params.new_rows))
    counted, rules = DueResult.model_validate(done[0].result), policy().ship
    shipped = [step for step in done if name_of(step) == "ship"]
    if len(shipped) < len(counted.due):
        stage = counted.due[len(shipped)]
        return Next(kind=f"{NAME}.ship", params=ShipParams(stage=stage, live=rules.live, days=rules.days))
    if not shipped:
        return Done(result=ShipResult(dry_run=not rules.live, sentence=counted.sentence, stages=()))
    return Done(result=ship_result(summaries(shipped), live=rules.live))
