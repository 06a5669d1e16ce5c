"""The learning curve of a local fine-tune, on its way to people: events with step, loss and accuracy, and a file."""

import csv
import io
import time
from collections.abc import Sequence
from typing import Final

from psycopg import Connection

from shared.contracts import JsonObject
from shared.db import events, fine_tunes
from shared.llm.engines import TrainingStep
from shared.pipeline import Run

_WRITE_EVERY_S: Final = 1.0  # a long training shows its steps as they come; each commit costs
_COLUMNS: Final = ("step", "train_loss", "train_mean_token_accuracy")


class Paused(Exception):  # noqa: N818  (a signal to the running step, not a fault)
    """Somebody paused the fine-tune while it trained."""


class Curve:
    """What an engine reports to (``engines.Progress``). Raises Paused, or JobStopped as ``Run.report`` does.

    Loss (nats) and accuracy (0 to 1) are the engine's, on conversations that it did not learn from; they carry OpenAI's
    names ``train_loss`` and ``train_mean_token_accuracy``, for that is where every client looks.
    """

    def __init__(self, run: Run, fine_tune_id: str) -> None:
        self._run = run
        self._fine_tune_id = fine_tune_id
        self._new: list[TrainingStep] = []
        self._written: set[int] = set()
        self._looked_at = time.monotonic()

    def __call__(self, fraction: float, message: str = "", **counters: float) -> None:
        """Take note of how far the training is (0 to 1) and, if it says so, of its step, loss and accuracy."""
        self._run.report(0.1 + 0.8 * min(max(fraction, 0.0), 1.0), message)
        if "step" in counters and "loss" in counters:
            step = TrainingStep(int(counters["step"]), counters["loss"], counters.get("accuracy", 0.0))
            self._new.append(step)
        if time.monotonic() - self._looked_at >= _WRITE_EVERY_S:
            self._look(0.1 + 0.8 * fraction)

    def write_rest(self, conn: Connection, steps: Sequence[TrainingStep]) -> None:
        """Write the steps that nobody has seen yet, in the transaction that records the end."""
        self._write(conn, [step for step in steps if step.step not in self._written], 1.0)

    def as_csv(self, steps: Sequence[TrainingStep]) -> bytes:
        """Return the curve as a table, as OpenAI's result files have it."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(_COLUMNS)
        writer.writerows((s.step, repr(s.loss), repr(s.accuracy)) for s in steps)
        return text.getvalue().encode()

    def final(self, steps: Sequence[TrainingStep]) -> JsonObject:
        """Return the figures of the last step."""
        return _figures(steps[-1]) if steps else {"step": 0}

    def _look(self, fraction: float) -> None:
        """Show the steps so far, and learn whether to pause."""
        self._looked_at = time.monotonic()
        with self._run.fenced() as conn:
            self._write(conn, self._new, fraction)
            paused = fine_tunes.is_paused(conn, self._fine_tune_id)
        self._new = []
        if paused:
            raise Paused(self._fine_tune_id)

    def _write(self, conn: Connection, steps: Sequence[TrainingStep], fraction: float) -> None:
        for step in steps:
            events.add(
                conn, self._run.job_id, self._run.attempt, type_="progress",
                message=f"Step {step.step}: loss={step.loss:.4f} on held-out conversations",
                data={"fraction": fraction, **_figures(step)},
            )  # fmt: skip
            self._written.add(step.step)


def _figures(step: TrainingStep) -> JsonObject:
    return dict(zip(_COLUMNS, step, strict=True))
