"""Runs the product's own steps in this process: ``python -m tests.bench.steps KIND [NAME=VALUE ...]`` in a fresh one.

Run so, it prints the peak memory in MiB: all of the process, and how much the step added to it.
"""

import json
import sys

from shared import jobs
from shared.contracts import JobState
from shared.db.pool import get_database
from shared.registry import get_step
from workers.unit import run_job


def finish(kind: str, **params: str) -> None:
    """Submit a job and run it, and a flow's steps, until it has succeeded."""
    step, database = get_step(kind), get_database()
    new = jobs.new_job(step, step.params.model_validate(params), actor="bench")
    with database.transaction() as conn:
        jobs.submit(conn, [new])
    due = "SELECT id FROM jobs WHERE state = 'queued' AND run_at <= now() AND %s IN (id, parent_id)"
    while True:
        with database.reading() as conn:
            job = jobs.get(conn, new.id)
            waiting = [job_id for (job_id,) in conn.execute(due, [new.id])]
        if job.is_final:
            assert job.state is JobState.SUCCEEDED, job.error
            return
        for each in waiting:
            run_job(each)


def resident(*, peak: bool) -> float:
    """Return this process's memory in MiB: now, or at its peak."""
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123  (no file in truth)
        status = dict(line.split(":", 1) for line in file)
    return int(status["VmHWM" if peak else "VmRSS"].split()[0]) / 1024


if __name__ == "__main__":
    get_step(sys.argv[1])
    before = resident(peak=False)
    finish(sys.argv[1], **dict(pair.split("=", 1) for pair in sys.argv[2:]))
    print(json.dumps([resident(peak=True), resident(peak=True) - before]))
