"""The tasks: one for each step, named like it, with a job's id as the only argument. All they do is run the unit."""

import os
from pathlib import Path
from typing import Any

from celery import signals

from shared.contracts import Queue
from shared.registry import steps
from workers import attempt, unit
from workers import inference as inference  # noqa: PLC0414  (registers the prediction calls)
from workers import sweeps as sweeps  # noqa: PLC0414  (registers the sweeps)
from workers.app import task


def _register(kind: str, queue: Queue, together: int) -> None:
    def run(job_id: str) -> None:
        unit.run_job(job_id, together)

    task(kind, queue)(run)


def _stop_running_step(**_: Any) -> None:
    """Let the running step end at its next report: its job goes back to the queue, and the worker stops at once.

    This is Celery's warm shutdown. Its soft one (REMAP_SIGTERM) would tell nobody before its time is over. A step that
    does not report is ended by the supervisor's patience, and rescued when its lease runs out.
    """
    attempt.ask_to_stop()  # a solo pool runs the step in this very process
    for pid in _children():
        os.kill(pid, attempt.STOP_SIGNAL)


def _prepare_child(**_: Any) -> None:
    attempt.listen_for_stop()


def _children() -> list[int]:
    """Return this process's children: the pool's, for a worker starts no others."""
    pid = os.getpid()
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


for _kind, _step in steps().items():
    _register(_kind, _step.queue, _step.together)
signals.worker_shutting_down.connect(_stop_running_step)
signals.worker_process_init.connect(_prepare_child)
