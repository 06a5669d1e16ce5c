"""Shapes of the front's answers: what clients may rely on. Fields named as in the ledger are read from its rows."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts import JobState, JsonObject, ModelState, Path, Scope, Verdict
from shared.db.jobs import Job

_JOB: Final = "job_0192f0c1c2d37e8f9a0b1c2d3e4f5a6b"
_MODEL: Final = "mdl_0192f0c1c2d37e8f9a0b1c2d3e4f5a6b"
_DATASET: Final = "ds_5f0c3a1b2c3d4e5f60718293a4b5c6d7"


class View(BaseModel):
    """Base of the answers."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


V = TypeVar("V", bound=View)


class Page(View, Generic[V]):
    """One page of a list. Ask for the next one with ``?cursor=`` and its ``next_cursor``; null: this is the last."""

    items: list[V]
    next_cursor: str | None


class Problem(View):
    """What went wrong (RFC 9457). ``code`` is stable, ``advice`` says what to do."""

    type: str = Field(examples=["/problems/not-found"])
    title: str = Field(examples=["There is no such thing, or it was deleted."])
    status: int = Field(examples=[404])
    detail: str = Field(examples=[f"there is no job {_JOB}"])
    code: str = Field(examples=["not-found"])
    advice: str | None = Field(None, examples=["list jobs with GET /v1/jobs"])
    details: JsonObject | None = None
    request_id: str | None = None


class Progress(View):
    """How far a job is: ``fraction`` from 0 to 1, and whatever its step counts."""

    fraction: float = Field(ge=0, le=1)
    message: str
    counters: JsonObject


class JobLinks(View):
    """Where to read on: the job itself, what happened to it, the steps of a flow."""

    self: str
    events: str
    steps: str


class JobView(View):
    """A job: one run of a step."""

    id: str = Field(examples=[_JOB])
    kind: str = Field(examples=["router.train"])
    pipeline: str = Field(examples=["router"])
    queue: str = Field(examples=["db"])
    state: JobState
    attempt: int = Field(description="Grows with every claim by a worker.")
    failures: int = Field(description="Attempts that failed or were lost.")
    max_attempts: int
    progress: Progress
    params: JsonObject
    result: JsonObject | None
    error: JsonObject | None
    actor: str = Field(description="Who asked: the name of an API key, a schedule entry, or `system`.")
    parent_id: str | None = Field(description="The flow that this job is a step of.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    run_at: datetime = Field(description="Not before.")
    cancel_requested: bool
    links: JobLinks

    @classmethod
    def of(cls, job: Job) -> Self:
        """Show a job."""
        return cls.model_validate(job_json(job))


_JOB_COLUMNS: Final = tuple(name for name in JobView.model_fields if name not in {"progress", "links"})


def job_json(job: Job) -> JsonObject:
    """Return a ``JobView`` as plain values, for ``json_response``: the answer to a submit skips the model."""
    own = f"/v1/jobs/{job.id}"
    return {name: getattr(job, name) for name in _JOB_COLUMNS} | {
        "progress": {"fraction": job.progress, "message": job.message, "counters": job.counters},
        "links": {"self": own, "events": f"{own}/events", "steps": f"/v1/jobs?parent={job.id}"},
    }


class EventView(View):
    """One thing that happened to a job. ``seq`` grows within the job: go on after it with ``Last-Event-ID``."""

    job_id: str = Field(examples=[_JOB])
    seq: int
    attempt: int
    type: str = Field(
        description="A state, or `progress`, `retry`, `rescued`, `cancel-requested`, `alert`.", examples=["progress"]
    )
    message: str
    data: JsonObject
    at: datetime


class ModelView(View):
    """A model in the registry. ``manifest`` is the hash of its artifact, and so of the model."""

    id: str = Field(examples=[_MODEL])
    pipeline: str = Field(examples=["router"])
    surface: str = Field(examples=["default"])
    version: str = Field(examples=["v20260101_120000"])
    state: ModelState
    manifest: str
    dataset_id: str = Field(examples=[_DATASET])
    job_id: str | None
    parameters: JsonObject
    libraries: dict[str, str]
    metrics: JsonObject = Field(description="Figures of the latest evaluation, by window.")
    card: str | None = Field(description="Hash of the model card, which `/v1/models/{id}/card` shows.")
    created_at: datetime


class EvaluationView(View):
    """A candidate and the model that was active, scored on the same rows, and what the gates said."""

    id: str
    model_id: str = Field(examples=[_MODEL])
    active_id: str | None = Field(description="The model it was compared with.")
    dataset_id: str = Field(examples=[_DATASET])
    job_id: str | None
    metrics: JsonObject
    verdicts: list[Verdict]
    report: str = Field(description="Hash of the report.")
    created_at: datetime


class PromotionView(View):
    """A change of the active model: who, from what, to what, and why."""

    id: str
    pipeline: str = Field(examples=["router"])
    surface: str = Field(examples=["default"])
    kind: Literal["promote", "activate", "rollback", "deactivate"]
    from_model: str | None
    to_model: str | None
    evaluation_id: str | None
    verdicts: list[Verdict]
    actor: str
    reason: str
    job_id: str | None
    at: datetime


class DatasetView(View):
    """A frozen dataset."""

    id: str = Field(examples=[_DATASET])
    pipeline: str = Field(examples=["router"])
    surface: str = Field(examples=["default"])
    manifest: str = Field(description="Hash of its artifact.")
    row_count: int
    split_counts: dict[str, int]
    seed: int
    job_id: str | None
    created_at: datetime


class PredictionView(View):
    """An answer that was given, by which model and on which path. What was asked is not shown: it may be personal."""

    id: str
    pipeline: str = Field(examples=["router"])
    surface: str = Field(examples=["default"])
    model_id: str | None
    path: Path
    confidence: float
    output: JsonObject
    created_at: datetime


class AlertView(View):
    """Something that belongs to no one job and must be seen. ``closed_at`` None: nobody has seen to it yet."""

    id: int
    kind: str
    subject: str
    message: str
    data: JsonObject
    at: datetime
    closed_at: datetime | None
    closed_by: str | None


class KeyView(View):
    """An API key, without the key."""

    id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    revoked_at: datetime | None


class NewKey(KeyView):
    """A key that was just made. ``key`` is shown this once, and is null when the request is repeated."""

    SHOWN_ONCE: ClassVar[frozenset[str]] = frozenset({"key"})

    key: str | None = Field(examples=["ty_…"])


def _id(row: Any) -> Any:
    return row.id


def page(view: Callable[[Any], V], rows: Sequence[Any], limit: int, key: Callable[[Any], Any] = _id) -> Page[V]:
    """Show a page of rows that were asked for with ``limit + 1``: the one too many says that there is a next page."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(items=[view(row) for row in shown], next_cursor=str(key(shown[-1])) if more else None)
