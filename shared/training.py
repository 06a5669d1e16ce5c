"""Long training, and steps of the loop that one pipeline widens: further words of the protocol of a pipeline.

The steps themselves are the loop's (``loop/train.py``, ``loop/wider.py``).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pydantic import BaseModel

if TYPE_CHECKING:
    from shared.pipeline import Done, Loaded, Next, Row, Run, TrainingSummary, Wait


class Checkpoints(Protocol):
    """Where a long training keeps how far it has come, for the next attempt at the same job."""

    def keep(self, file: Path) -> None:
        """Store a file in the place of the one before it; when this returns it outlives the process and the machine.

        Raises JobStopped when another attempt has taken over: then what that one keeps stays.
        """
        ...

    def last(self, folder: Path) -> Path | None:
        """Fetch what was kept last by any attempt at this job into the folder; None: nothing."""
        ...


class Training(Protocol):
    """What a long training may use besides its rows."""

    @property
    def run(self) -> "Run":
        """The attempt: its artifacts, its folder."""
        ...

    @property
    def surface(self) -> str:
        """The part of the pipeline that is trained."""
        ...

    @property
    def params(self) -> BaseModel:
        """The step's parameters, with what the pipeline has added to them (``Wider``)."""
        ...

    @property
    def seed(self) -> int:
        """The seed by which the dataset was split."""
        ...

    @property
    def checkpoints(self) -> Checkpoints:
        """What earlier attempts at this job have reached."""
        ...

    def report(self, fraction: float, message: str, **counters: float) -> None:
        """Tell progress (0 to 1). Raises JobStopped when the training must end now."""
        ...


@dataclass(frozen=True, kw_only=True)
class LongTraining:
    """Training of minutes or hours, which an attempt goes on with where the one before it was killed."""

    train: Callable[[Iterable["Row"], Path, Training], "TrainingSummary"]
    """Train on the rows (split ``train`` only) and write the model's files into the folder. Deterministic: an attempt
    that goes on from a checkpoint ends with the same files as one that nobody disturbed."""


class Serving(NamedTuple):
    """A model that is active now."""

    model_id: str
    version: str
    model: "Loaded[Any, Any]"


class Core(Protocol):
    """A step of the loop, as the pipeline that widens it may use it."""

    def __call__(self, params: Any) -> "Done":
        """Do what the loop does in this step."""
        ...

    def active(self, surface: str) -> Serving | None:
        """Load the surface's active model; None: there is none."""
        ...

    def training(self, params: Any, seed: int) -> Training:
        """Return what a long training may use, for rows that are of no dataset; ``seed`` is how they were split."""
        ...


@dataclass(frozen=True, kw_only=True)
class Wider:
    """A step of the loop that can do more in one pipeline: further parameters, and what is done with them."""

    params: type[BaseModel]
    """The further parameters, each with a default: flows know nothing of them."""
    run: Callable[["Run", Any, Core], "Done | Wait | Next"]
    """Does the step; calls the core where the loop's own way is wanted."""
