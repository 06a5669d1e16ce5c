"""The steps that bring rows to a promoted model: what they are called, and where they run."""

from typing import Any, Final

from shared.contracts import Queue
from shared.pipeline import Step
from shared.pipelines.stages.checking import DiversityParams, check_diversity
from shared.pipelines.stages.ship import ShipParams, ship
from shared.pipelines.stages.versions import NAME
from shared.pipelines.stages.weekly import DueParams, ShipDueParams, due, ship_due

SHIP_STEPS: Final[tuple[Step[Any], ...]] = (
    Step(
        pipeline=NAME,
        name="diversity",
        summary="Say whether approved rows are different enough to train on, with a recipe where they are not.",
        queue=Queue.DB,
        params=DiversityParams,
        run=check_diversity,
    ),
    Step(
        pipeline=NAME,
        name="ship",
        summary="Build, check, fine-tune, evaluate and promote as one job; without --live it ends with a dry run.",
        queue=Queue.DB,
        params=ShipParams,
        flow=ship,
        unique_key=lambda params: f"{NAME}.ship:{params.stage}",
    ),
    Step(
        pipeline=NAME,
        name="due",
        summary="Count the newly approved rows of each stage.",
        queue=Queue.DB,
        params=DueParams,
        run=due,
    ),
    Step(
        pipeline=NAME,
        name="ship-due",
        summary="Ship each stage that has enough newly approved rows, as the weekly schedule does.",
        queue=Queue.DB,
        params=ShipDueParams,
        flow=ship_due,
        unique_key=lambda _: f"{NAME}.ship-due",
    ),
)
