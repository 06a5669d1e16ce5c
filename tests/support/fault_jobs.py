"""What the fault-injecting provider holds: files and fine-tuning jobs, as OpenAI's API describes them."""

import hashlib
import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

JsonObject = dict[str, Any]
Ending = Literal["succeeded", "failed", "safety"]

FINAL: Final = frozenset({"succeeded", "failed", "cancelled"})
ORGANIZATION: Final = "org-faults"
_FAILED: Final = {
    "code": "invalid_training_file",
    "message": "The training file is not what it should be.",
    "param": "training_file",
}
_UNSAFE: Final = {
    "code": "unsafe_fine_tuned_model",
    "message": "The fine-tuned model was blocked by our safety evaluations.",
    "param": None,
}
_NUMBERS = itertools.count(1)


def number() -> str:
    """Return the next number of this process, as the last part of an id: later things sort later."""
    return f"{next(_NUMBERS):012d}"


@dataclass
class StoredFile:
    """An uploaded file: its bytes, and its record as the API shows it."""

    data: bytes
    record: JsonObject

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def new_file(data: bytes, name: str, purpose: str) -> StoredFile:
    """Make the record of an uploaded file."""
    return StoredFile(
        data,
        {
            "id": f"file-{number()}", "object": "file", "bytes": len(data), "created_at": int(time.time()),
            "filename": name, "purpose": purpose, "status": "processed",
        },
    )  # fmt: skip


@dataclass
class TrainingJob:
    """A fine-tuning job that the provider has accepted."""

    record: JsonObject
    steps: int
    ending: Ending
    suffix: str = ""
    lag_lists: int = 0
    """So many lists do not show it yet."""
    visible_at: float = 0.0
    """Nor does any before this moment (``time.monotonic``)."""
    events: list[JsonObject] = field(default_factory=list)
    checkpoints: list[JsonObject] = field(default_factory=list)
    _course: Iterator[None] | None = None

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def status(self) -> str:
        return str(self.record["status"])

    @property
    def metadata(self) -> Mapping[str, str]:
        return self.record.get("metadata") or {}

    @property
    def billed(self) -> bool:
        """Whether it costs money: it was accepted and neither cancelled nor refused before training."""
        return self.status != "cancelled" and not (self.status == "failed" and self.record["trained_tokens"] is None)

    def look(self) -> None:
        """Move on by one stage: somebody has looked, and time goes by."""
        self._course = self._course or self._stages()
        next(self._course, None)

    def set(self, status: str) -> None:
        """Put it into a state, with what that state entails."""
        self.record["status"] = status
        if status == "running":
            self.tell("Fine-tuning job started")
        if status == "succeeded":
            self.record["fine_tuned_model"] = f"ft:{self.record['model']}:faults:{self.suffix}:{self.id[-8:]}"
            self.record["trained_tokens"] = 1000 * self.steps
            self.tell("The job has successfully completed")
        if status == "failed":
            self.record["error"] = dict(_FAILED)
            self.tell("The job failed", level="error")
        if status in FINAL:
            self.record["finished_at"] = int(time.time())

    def fail_safety(self) -> None:
        """Fail as a model does that was trained and is then blocked: the training has been paid for."""
        self.record["trained_tokens"] = 1000 * self.steps
        self.set("failed")
        self.record["error"] = dict(_UNSAFE)

    def train_step(self, step: int) -> None:
        """Tell the figures of a training step, and leave a checkpoint."""
        loss = round(2.0 / (1 + step), 4)
        data = {"step": step, "train_loss": loss, "total_steps": self.steps, "train_mean_token_accuracy": 1 - loss / 2}
        self.tell(f"Step {step}/{self.steps}: training loss={loss}", kind="metrics", data=data)
        self.checkpoints.append(
            {
                "id": f"ftckpt-{number()}", "object": "fine_tuning.job.checkpoint", "created_at": int(time.time()),
                "fine_tuning_job_id": self.id, "step_number": step,
                "fine_tuned_model_checkpoint": f"ft:{self.record['model']}:faults::{self.id[-8:]}:ckpt-step-{step}",
                "metrics": {"step": step, "train_loss": loss},
            }
        )  # fmt: skip

    def tell(self, message: str, *, level: str = "info", kind: str = "message", data: JsonObject | None = None) -> None:
        """Add an event."""
        self.events.append(
            {
                "id": f"ftevent-{number()}", "object": "fine_tuning.job.event", "created_at": int(time.time()),
                "level": level, "message": message, "type": kind, "data": data or {},
            }
        )  # fmt: skip

    def _stages(self) -> Iterator[None]:
        """Go through a job's life, one stage a look; who changes its state by hand ends that."""
        for status in ("queued", "running"):
            if self.status in FINAL:
                return
            self.set(status)
            yield
        for step in range(1, self.steps + 1):
            if self.status != "running":
                return
            self.train_step(step)
            yield
        if self.status == "running":
            if self.ending == "safety":
                self.fail_safety()
            else:
                self.set(self.ending)


def new_job(asked: JsonObject, *, steps: int, ending: Ending) -> TrainingJob:
    """Make the record of a job that was accepted. ``asked`` is the body of the request."""
    kind = (asked.get("method") or {"type": "supervised"})["type"]
    hyper = (asked.get("method") or {}).get(kind, {}).get("hyperparameters") or asked.get("hyperparameters") or {}
    job = TrainingJob(
        {
            "id": f"ftjob-{number()}", "object": "fine_tuning.job", "created_at": int(time.time()), "error": None,
            "fine_tuned_model": None, "finished_at": None, "hyperparameters": {"n_epochs": "auto"} | hyper,
            "model": asked["model"], "organization_id": ORGANIZATION, "result_files": [],
            "status": "validating_files", "trained_tokens": None, "training_file": asked["training_file"],
            "validation_file": asked.get("validation_file"), "integrations": [], "seed": asked.get("seed") or 0,
            "estimated_finish": None, "method": {"type": kind, kind: {"hyperparameters": {"n_epochs": "auto"} | hyper}},
            "metadata": asked.get("metadata") or {},
        },
        steps=steps,
        ending=ending,
        suffix=asked.get("suffix") or "",
    )  # fmt: skip
    job.tell("Created fine-tuning job: " + job.id)
    return job
