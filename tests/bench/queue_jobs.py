"""Jobs through the ledger over bare Celery tasks in the same worker, and sending over ``delay()``."""

import time
from collections.abc import Callable
from typing import Any

from shared import jobs
from shared.contracts import Queue
from shared.db.pool import Database, get_database
from shared.ids import new_id
from shared.registry import get_step
from tests.bench.harness import Bench
from tests.support.probe import Number
from tests.support.waiting import wait_until
from workers import dispatch
from workers.dispatch import WakeUp

_JOBS = 1000
_GROUP = 100
_PINGS = 100


def run(bench: Bench) -> None:
    """Measure with the db queue's own pool, then the latency of an idle worker, then sending alone."""
    database = get_database()
    bench.processes.worker("db", module="tests.bench.bare_worker")
    bench.compare(
        "no-op jobs through submit, dispatch, claim, run, record, over bare Celery no-ops (db queue's pool)",
        lambda: _jobs_per_second(database), _bare_per_second, "≥ 0.85",
    )  # fmt: skip
    bench.compare(
        "idle latency, submit to start, over a bare Celery task (p50)",
        lambda: _median_ms(lambda: _job_start(database)), lambda: _median_ms(_bare_start), "≤ 1.3", unit=" ms",
    )  # fmt: skip
    bench.compare("sending wake-ups over delay() in a loop", _sends_per_second, _delays_per_second, "≥ 20")


def _new(count: int) -> list[jobs.NewJob]:
    step = get_step("probe.noop")
    return [jobs.new_job(step, Number(), actor="bench") for _ in range(count)]


def _submit(database: Database, new: list[jobs.NewJob]) -> None:
    with database.statement() as conn:  # as the front does
        jobs.submit(conn, new)
    dispatch.send([WakeUp(j.id, j.kind, j.queue) for j in new])


def _jobs_per_second(database: Database) -> float:
    started = time.perf_counter()
    groups = [_new(_GROUP) for _ in range(_JOBS // _GROUP)]
    for group in groups:
        _submit(database, group)
    first = groups[0][0].id

    def done() -> bool:
        with database.reading() as conn:
            row = conn.execute("SELECT count(*) FROM jobs WHERE state = 'succeeded' AND id >= %s", [first]).fetchone()
        return row == (_JOBS,)

    wait_until(done, timeout=120)
    return _JOBS / (time.perf_counter() - started)


def _bare_per_second() -> float:
    started = time.perf_counter()
    for _ in range(_JOBS // _GROUP):
        dispatch.broker().lpush(
            dispatch.queue_key("db"),
            *[dispatch.envelope("bare.noop", [new_id("job")], "db", task_id=new_id("job")) for _ in range(_GROUP)],
        )
    dispatch.broker().lpush(dispatch.queue_key("db"), _reply_envelope(key := new_id("reply")))
    dispatch.broker().connection_pool.reset()
    _await_reply(key)
    return _JOBS / (time.perf_counter() - started)


def _reply_envelope(key: str) -> bytes:
    return dispatch.envelope("bare.reply", [key], "db", task_id=new_id("job"))


def _await_reply(key: str) -> float:
    """Return when the task ran, in seconds since 1970."""
    ran_at: Any = wait_until(lambda: dispatch.broker().getdel(key), timeout=120)
    return float(ran_at)


def _bare_start() -> float:
    key = new_id("reply")
    dispatch.broker().lpush(dispatch.queue_key("db"), _reply_envelope(key))
    return _await_reply(key)


def _job_start(database: Database) -> float:
    (new,) = _new(1)
    _submit(database, [new])

    def started() -> float | None:
        with database.reading() as conn:
            job = jobs.get(conn, new.id)
        return job.started_at.timestamp() if job.is_final and job.started_at else None

    return wait_until(started) or 0.0


def _median_ms(start: Callable[[], float]) -> float:
    """Return the median time from before a submit to when its task or job started, by the one clock of this machine."""
    seconds = []
    for _ in range(_PINGS):
        submitted = time.time()
        seconds.append(start() - submitted)
    return sorted(seconds)[_PINGS // 2] * 1000


def _sends_per_second() -> float:
    wakes = [WakeUp(new_id("job"), "probe.sweepable", Queue.GPU) for _ in range(20_000)]
    started = time.perf_counter()
    dispatch.send(wakes)
    elapsed = time.perf_counter() - started
    dispatch.broker().delete(dispatch.queue_key(Queue.GPU))
    return len(wakes) / elapsed


def _delays_per_second() -> float:
    from tests.bench.bare_worker import noop

    started = time.perf_counter()
    for _ in range(1000):
        noop.apply_async([new_id("job")], queue=Queue.GPU.value)
    elapsed = time.perf_counter() - started
    dispatch.broker().delete(dispatch.queue_key(Queue.GPU))
    return 1000 / elapsed
