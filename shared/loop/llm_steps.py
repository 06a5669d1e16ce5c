"""The steps that belong to no pipeline: what is done with the provider of fine-tunes and with our own trainer.

Their jobs, tasks, routes and commands are made like any pipeline's, under the name ``llm``.
"""

from typing import Any, Final

from shared.loop.doctor import doctor_step
from shared.loop.local_finetune import train_local
from shared.loop.resolve import resolve_step
from shared.loop.sunset import Pipelines, sunset_step
from shared.pipeline import Step

PIPELINE: Final = "llm"

STEPS: Final[tuple[Step[Any], ...]] = (train_local, doctor_step(), resolve_step())


def steps_of_none(pipelines: Pipelines) -> tuple[Step[Any], ...]:
    """Return all of them; ``pipelines`` tells those of the registry, which stands above this module."""
    return (*STEPS, sunset_step(pipelines))
