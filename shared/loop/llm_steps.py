"""The steps that belong to no pipeline: what is done with the provider of fine-tunes and with our own trainer.

Their jobs, tasks, routes and commands are made like any pipeline's, under the name ``llm``.
"""

from typing import Any, Final

from shared.pipeline import Step

PIPELINE: Final = "llm"

STEPS: Final[tuple[Step[Any], ...]] = ()
