"""What the OpenAI-compatible API answers: OpenAI's shapes, by their names there. Times are Unix seconds."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from shared.contracts import JobState, JsonObject
from shared.db.events import Event
from shared.db.fine_tunes import FineTuneRow
from shared.db.openai_files import StoredFile

ORGANIZATION: Final = "tuneyard"

_STATUS: Final = {
    JobState.QUEUED: "queued",
    JobState.WAITING: "queued",  # paused: OpenAI's own list of states has no word for it
    JobState.SUCCEEDED: "succeeded",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}
_LEVEL: Final = {"failed": "error", "retry": "warn", "rescued": "warn", "alert": "warn", "cancel-requested": "warn"}
_SAID: Final = {
    "queued": "The fine-tuning job is queued",
    "running": "The fine-tuning job has started",
    "waiting": "The fine-tuning job waits",
    "succeeded": "The job has successfully completed",
    "cancelled": "The fine-tuning job was cancelled",
    "progress": "Training",
}


class Shape(BaseModel):
    """Base of the shapes."""

    model_config = ConfigDict(frozen=True)


S = TypeVar("S", bound=Shape)


class Deleted(Shape):
    """A file or a model that is no more."""

    id: str
    object: Literal["file", "model"]
    deleted: bool = True


class Listed(Shape, Generic[S]):
    """All there is, in one list."""

    object: Literal["list"] = "list"
    data: list[S]


class ListedPage(Listed[S], Generic[S]):
    """One page. Ask for the next one with ``after``, the id of the last item."""

    has_more: bool

    @classmethod
    def of(cls, items: Sequence[S], limit: int) -> Self:
        """Make a page of what was found: one item more than the limit says that there are more."""
        return cls(data=list(items[:limit]), has_more=len(items) > limit)


class FileView(Shape):
    """A file. ``processed`` is all it can be: a training file is checked by the job that uses it."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"

    @classmethod
    def of(cls, file: StoredFile) -> Self:
        """Show a file."""
        return cls(
            id=file.id,
            bytes=file.bytes,
            created_at=seconds(file.created_at),
            expires_at=seconds(file.expires_at) if file.expires_at else None,
            filename=file.filename,
            purpose=file.purpose,
        )


class FilePage(ListedPage[FileView]):
    """A page of files. The ids of an empty page are empty: OpenAI's description knows no null there."""

    first_id: str = ""
    last_id: str = ""


class ModelView(Shape):
    """A model that can be asked, or trained."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    shutdown_date: None = None


class FineTuneError(Shape):
    """Why a fine-tuning job failed."""

    code: str
    message: str
    param: str | None


class FineTuneView(Shape):
    """A fine-tuning job."""

    id: str
    object: Literal["fine_tuning.job"] = "fine_tuning.job"
    created_at: int
    error: FineTuneError | None
    fine_tuned_model: str | None
    finished_at: int | None
    hyperparameters: JsonObject
    model: str
    organization_id: str = ORGANIZATION
    result_files: list[str]
    status: str
    trained_tokens: int | None
    training_file: str
    validation_file: str | None
    integrations: list[JsonObject]
    seed: int
    estimated_finish: None = None
    method: JsonObject
    metadata: dict[str, str] | None

    @classmethod
    def of(cls, row: FineTuneRow) -> Self:
        """Show a fine-tune as its job's state tells it."""
        return cls(
            id=row.id,
            created_at=seconds(row.created_at),
            error=_error(row),
            fine_tuned_model=row.fine_tuned_model,
            finished_at=seconds(row.finished_at) if row.finished_at else None,
            hyperparameters={k: v for k, v in row.hyperparameters.items() if k != "beta"},
            model=row.base_model,
            result_files=[row.result_file] if row.result_file else [],
            status=_status(row),
            trained_tokens=row.trained_tokens,
            training_file=row.training_file,
            validation_file=row.validation_file,
            integrations=[],
            seed=row.seed,
            method={"type": row.method, row.method: {"hyperparameters": row.hyperparameters}},
            metadata=row.metadata,
        )


class EventView(Shape):
    """One thing that happened to a fine-tuning job. ``metrics`` events have step, loss and accuracy as data."""

    id: str
    object: Literal["fine_tuning.job.event"] = "fine_tuning.job.event"
    created_at: int
    level: str
    message: str
    type: Literal["message", "metrics"]
    data: JsonObject

    @classmethod
    def of(cls, event: Event) -> Self:
        """Show an event of the job: what it says to people, and the figures of training; nothing else of it."""
        figures = _figures(event)
        return cls(
            id=f"ftevent-{event.seq}",
            created_at=seconds(event.at),
            level=_LEVEL.get(event.type, "info"),
            message=event.message or _SAID.get(event.type, event.type.capitalize()),
            type="metrics" if "train_loss" in figures else "message",
            data=figures,
        )


class CheckpointView(Shape):
    """A model that a fine-tuning job left at a step. Engines here leave one: the finished model."""

    id: str
    object: Literal["fine_tuning.job.checkpoint"] = "fine_tuning.job.checkpoint"
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    metrics: JsonObject
    step_number: int


class CheckpointPage(ListedPage[CheckpointView]):
    """A page of checkpoints."""

    first_id: str | None = None
    last_id: str | None = None


def seconds(at: datetime) -> int:
    """Return a time as Unix seconds."""
    return int(at.timestamp())


def _status(row: FineTuneRow) -> str:
    if row.state is JobState.RUNNING:
        return "running" if row.validated_at else "validating_files"
    return _STATUS[row.state]


def _error(row: FineTuneRow) -> FineTuneError | None:
    if row.state is not JobState.FAILED or row.error is None:
        return None
    details: dict[str, Any] = row.error.get("details", {})
    return FineTuneError(
        code=str(row.error["code"]).replace("-", "_"),
        message=f"{row.error['message']} {row.error.get('advice', '')}".strip(),
        param=details.get("param"),
    )


def _figures(event: Event) -> JsonObject:
    """Return the figures of a training step, and nothing for other events."""
    if event.type != "progress" or "train_loss" not in event.data:
        return {}
    return {name: value for name, value in event.data.items() if name != "fraction"}
