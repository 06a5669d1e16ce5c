"""The steps that every pipeline has: the loop, applied to one pipeline."""

from typing import Any

from shared.loop.activate import activate_step, deactivate_step, rollback_step
from shared.loop.canary import canary_step
from shared.loop.canary_report import canary_report_step
from shared.loop.evaluate import evaluate_step
from shared.loop.finetune import finetune_step
from shared.loop.freeze import freeze_step
from shared.loop.importing import import_step
from shared.loop.infer import infer_step
from shared.loop.models_config import models_config_step
from shared.loop.pins import pin_step, unpin_step
from shared.loop.promote import promote_step
from shared.loop.refinetune import refinetune_step
from shared.loop.retrain import retrain_step
from shared.loop.surfaces import worded
from shared.loop.train import train_step
from shared.loop.wider import widened
from shared.pipeline import FineTune, Pipeline, Step


def steps_of(pipeline: Pipeline[Any, Any]) -> tuple[Step[Any], ...]:
    """Return the loop's steps for a pipeline, in the order in which a model's life goes through them."""
    tuned = isinstance(pipeline.train, FineTune)
    steps = (
        *((import_step(pipeline),) if pipeline.parse_labelled else ()),
        freeze_step(pipeline),
        finetune_step(pipeline) if tuned else train_step(pipeline),
        evaluate_step(pipeline),
        canary_step(pipeline),
        canary_report_step(pipeline),
        promote_step(pipeline),
        *((infer_step(pipeline, pipeline.infer),) if pipeline.infer else ()),
        refinetune_step(pipeline) if tuned else retrain_step(pipeline),
        activate_step(pipeline),
        rollback_step(pipeline),
        deactivate_step(pipeline),
        pin_step(pipeline),
        unpin_step(pipeline),
        models_config_step(pipeline),
    )
    return tuple(worded(pipeline, widened(pipeline, step)) for step in steps)
