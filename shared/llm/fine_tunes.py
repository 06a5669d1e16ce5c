"""What a provider of fine-tunes is asked, as few words as the life cycle needs, and what can go wrong with each.

The protocol has one implementation here, over the official SDK, for OpenAI and every server that speaks its API; it is
tested against a real server that fails (``tests/support/fault_provider.py``). No request is ever repeated in here:
whether that costs money is the life cycle's to know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, Literal, Protocol

from shared.contracts import JsonObject
from shared.errors import RefusedError, UnavailableError

RUN_KEY: Final = "tuneyard_run"
"""The key of the run's id in the provider's metadata."""
PAGE: Final = 100
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
ENDED: Final = frozenset({SUCCEEDED, FAILED, CANCELLED})
"""A status that is none of these is under way, also one that nobody has heard of yet (as ``paused``)."""


# --- words ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """What is asked for with a create. ``metadata`` (16 pairs at most) must hold the run's id under ``RUN_KEY``."""

    model: str
    training_file: str
    suffix: str
    method: Literal["supervised", "dpo"]
    metadata: Mapping[str, str]
    seed: int | None = None
    hyperparameters: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RemoteJob:
    """A fine-tuning job as the provider tells it. ``created_at`` is by the provider's clock, to the second."""

    id: str
    status: str
    model: str
    training_file: str
    created_at: datetime
    run_id: str | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    organization: str | None = None


@dataclass(frozen=True, kw_only=True)
class RemoteEvent:
    """What the provider says about a job on its way. ``data`` holds figures only; ``step`` counts from 1."""

    id: str
    at: datetime
    level: str
    message: str
    step: int | None = None
    loss: float | None = None
    data: JsonObject = field(default_factory=dict)


class FineTunes(Protocol):
    """The questions. Each is one request, except ``find``; the errors below are all that a caller must expect."""

    def upload(self, file: BinaryIO, name: str) -> str:
        """Send a training file; return its id. Raises Closed, Rejected, Busy or Unreachable."""
        ...

    def create(self, request: CreateRequest) -> RemoteJob:
        """Ask for a fine-tune: the one request that costs money. Raises Ambiguous, Closed, Rejected or Busy."""
        ...

    def find(self, run_id: str, file_id: str | None = None) -> list[RemoteJob]:
        """Return the jobs that carry the run's id, or train on the file that was uploaded for it, oldest first.

        The server is asked to filter, and what it answers is checked here: some servers do not know the filter.
        Raises Rejected, Busy or Unreachable.
        """
        ...

    def page(self, after: str | None = None, limit: int = PAGE) -> tuple[list[RemoteJob], bool]:
        """Return a page of all jobs, newest first, and whether there are more. Raises as ``find``."""
        ...

    def retrieve(self, job_id: str) -> RemoteJob:
        """Return one job. Raises as ``find``; Rejected with ``status`` 404 when there is none."""
        ...

    def cancel(self, job_id: str) -> RemoteJob:
        """Cancel a job; return it as it is then. Raises as ``find``; Rejected when it has ended already."""
        ...

    def events(self, job_id: str, after: str | None = None, limit: int = PAGE) -> list[RemoteEvent]:
        """Return the newest events of a job, newest first, or those before the event ``after``. Raises as ``find``."""
        ...


# --- errors ---------------------------------------------------------------------------------------------------------


class Unreachable(UnavailableError):  # noqa: N818  (a word of the protocol)
    """The provider gave no usable answer; the question was harmless and may be asked again."""

    code = "provider-unreachable"


class Busy(UnavailableError):  # noqa: N818
    """The provider has refused for now (429): nothing was accepted."""

    code = "provider-busy"

    def __init__(self, message: str, *, retry_after: float | None) -> None:
        super().__init__(message, advice="it is asked again by itself")
        self.retry_after = retry_after
        """Seconds that the provider wants to be left alone; None when it did not say."""


class Ambiguous(UnavailableError):  # noqa: N818
    """A create was sent and its fate is unknown: it may have been accepted, and be billed."""

    code = "create-unknown"


class Closed(RefusedError):  # noqa: N818
    """The account may not train at this provider (403); asking again changes nothing."""

    code = "provider-closed"


class Rejected(RefusedError):  # noqa: N818
    """The provider has understood and refused: nothing was accepted."""

    code = "provider-rejected"

    def __init__(self, message: str, *, status: int, advice: str = "") -> None:
        super().__init__(message, advice=advice, status=status)
        self.status = status


WAYS_ON: Final = (
    "set OPENAI_BASE_URL to another server that trains, or to Tuneyard's own /openai/v1 (with TUNEYARD_KEY);"
    " the data and the gates stay as they are"
)


def oldest_first(jobs: Sequence[RemoteJob]) -> list[RemoteJob]:
    """Sort jobs by when the provider accepted them; ids decide within one second."""
    return sorted(jobs, key=lambda job: (job.created_at, job.id))


def moment(seconds: Any) -> datetime:
    """Return a Unix time as a moment; the beginning of time when it is none."""
    try:
        return datetime.fromtimestamp(seconds if isinstance(seconds, int | float) else 0, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
