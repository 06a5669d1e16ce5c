"""Steps of the loop that a pipeline widens: the loop's parameters and the pipeline's own, in one step."""

import dataclasses
from typing import Any

from pydantic import create_model

from shared import models
from shared.loop.loading import load_model
from shared.loop.train import OneTraining
from shared.pipeline import Done, Next, Pipeline, Run, Step, Wait
from shared.training import Serving, Training, Wider


class _Core:
    """The loop's own way of a step, in one attempt. Implements ``shared.training.Core``."""

    def __init__(self, pipeline: Pipeline[Any, Any], step: Step[Any], run: Run) -> None:
        self._pipeline, self._step, self._run = pipeline, step, run

    def __call__(self, params: Any) -> Done:
        """Do what the loop does in this step."""
        done = self._step.run(self._run, params) if self._step.run else None
        if not isinstance(done, Done):
            raise TypeError(f"{self._step.kind} cannot be widened: it does not end by itself")
        return done

    def active(self, surface: str) -> Serving | None:
        """Load the surface's active model; None: there is none."""
        with self._run.reading() as conn:
            model = models.active(conn, self._pipeline.name, surface)
        if model is None:
            return None
        return Serving(model.id, model.version, load_model(self._pipeline, self._run, model))

    def training(self, params: Any, seed: int) -> Training:
        """Return what a long training may use, for rows that are of no dataset."""
        return OneTraining(self._run, params, seed)


def widened(pipeline: Pipeline[Any, Any], step: Step[Any]) -> Step[Any]:
    """Return a step of the loop as this pipeline widens it, or as it is."""
    wider = pipeline.wider.get(step.name)
    if wider is None:
        return step
    params = create_model(
        f"{pipeline.name.capitalize()}{step.params.__name__}",
        __base__=(wider.params, step.params),
        __doc__=wider.params.__doc__ or step.params.__doc__,
    )
    return dataclasses.replace(step, params=params, run=_runner(pipeline, step, wider))


def _runner(pipeline: Pipeline[Any, Any], step: Step[Any], wider: Wider) -> Any:
    def run(attempt: Run, params: Any) -> Done | Wait | Next:
        return wider.run(attempt, params, _Core(pipeline, step, attempt))

    return run
