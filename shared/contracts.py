"""Shapes that more than one layer speaks: pydantic models, no behaviour.

What belongs to one pipeline only is in that pipeline's ``contracts.py``.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Contract(BaseModel):
    """Base of everything that crosses a border: unknown fields are refused, values are not changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Queue(StrEnum):
    """The queues, split by the resource that a step needs."""

    DB = "db"
    GPU = "gpu"
    FINETUNE = "finetune"
    INFERENCE = "inference"
    SWEEPS = "sweeps"


class Scope(StrEnum):
    """What an API key may do; ``admin`` may do everything."""

    SUBMIT = "submit"
    REVIEW = "review"
    PROMOTE = "promote"
    ADMIN = "admin"


class JobState(StrEnum):
    """Where a job stands: ``queued → running → succeeded | failed | cancelled`` and ``running ⇄ waiting``."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL_STATES = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


class ModelState(StrEnum):
    """A model is a candidate until promoted; at most one is active for a pipeline's surface."""

    CANDIDATE = "candidate"
    ACTIVE = "active"
    RETIRED = "retired"


class Path(StrEnum):
    """How an answer came about."""

    MODEL = "model"
    CACHE = "cache"
    REWRITE = "rewrite"
    FALLBACK = "fallback"


class Outcome(StrEnum):
    """What a gate can say: ``insufficient`` means too little evidence for either."""

    PASS = "pass"  # noqa: S105  (no password)
    FAIL = "fail"
    INSUFFICIENT = "insufficient"


class Verdict(Contract):
    """A gate's answer: the outcome, a plain sentence why, and the figures behind it."""

    gate: str
    window: str = "all"
    outcome: Outcome
    sentence: str
    figures: dict[str, float | int | None] = Field(default_factory=dict)
    short_of_rows: bool = False
    """Insufficient for no other reason than a minimum of rows: a person may waive that, and nothing else."""


Surface = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
JsonObject = dict[str, Any]
Split = Literal["train", "test"]
Live = Annotated[
    bool,
    Field(
        description="Ask the provider, which may cost money. A dry run sends nothing: files only.",
        json_schema_extra={"off": "dry-run"},
    ),
]
"""Whether a step that may cost money does."""
