"""One job through a real worker: what a step may do, and what may be done to it."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from shared import jobs
from shared.contracts import JobState, Queue
from shared.settings import Settings
from shared.stack.process import ChildProcess
from tests.support.probe import Nothing, Number, Where
from tests.support.waiting import wait_until
from tests.workers.conftest import Ledger
from workers import dispatch
from workers.dispatch import WakeUp

Worker = Callable[..., ChildProcess]
Workers = Callable[..., list[ChildProcess]]


def test_a_worker_runs_steps_and_records_how_they_end(ledger: Ledger, workers: Workers) -> None:
    workers("db", "sweeps", "beat")
    done = ledger.submit("probe.effectful", Number(value=7))
    refused = ledger.submit("probe.refuse", Nothing())
    flaky = ledger.submit("probe.fail", Number(value=2))
    broken = ledger.submit("probe.fail", Number(value=9))
    waiting = ledger.submit("probe.wait", Number(value=2))
    flow = ledger.submit("probe.chain", Number(value=3))
    broken_flow = ledger.submit("probe.broken-chain", Number())
    wait_until(ledger.ended(done, refused, flaky, broken, waiting, flow, broken_flow), timeout=40)

    assert (ledger.get(done).result, ledger.effects(done)) == ({"value": 7}, 1)
    error = ledger.get(refused).error
    assert error == {"code": "refused", "message": "the probe refuses", "advice": "there is nothing to be done"}
    assert (ledger.get(flaky).state, ledger.get(flaky).attempt) == (JobState.SUCCEEDED, 3)
    dead = ledger.get(broken)
    assert (dead.state, dead.failures) == (JobState.FAILED, 3)
    assert ledger.events(broken) == ["queued", "running", "retry", "running", "retry", "running", "failed"]
    assert (ledger.get(waiting).result, ledger.effects(waiting)) == ({"value": 3}, 1)
    assert ledger.get(flow).result == {"value": 3}
    assert ledger.get(broken_flow).state is JobState.FAILED
    assert "the probe refuses" in ledger.get(broken_flow).error["message"]  # type: ignore[index]


def test_the_same_message_ten_times_is_one_run(ledger: Ledger, worker: Worker) -> None:
    worker("db")
    job_id = ledger.submit("probe.effectful", Number(), send=False)
    dispatch.send([WakeUp(job_id, "probe.effectful", "db")] * 10)
    last = ledger.submit("probe.noop", Number())  # behind the ten: when it is done, they are
    wait_until(ledger.ended(job_id, last))
    assert (ledger.get(job_id).attempt, ledger.effects(job_id)) == (1, 1)


def test_short_steps_run_together_and_their_late_messages_are_dropped(ledger: Ledger, worker: Worker) -> None:
    ids = [ledger.submit("probe.noop", Number(value=n)) for n in range(80)]
    worker("db")
    wait_until(ledger.ended(*ids), timeout=20)
    assert [ledger.get(i).result for i in ids] == [{"value": n} for n in range(80)]
    assert all(ledger.events(i) == ["queued", "running", "succeeded"] for i in ids)


def test_a_running_step_is_cancelled_at_its_next_report(ledger: Ledger, worker: Worker, tmp_path: Path) -> None:
    worker("db")
    job_id = ledger.submit("probe.hang", Where(path=str(tmp_path / "never")))
    wait_until(lambda: ledger.get(job_id).progress > 0)
    with ledger.database.transaction() as conn:
        jobs.cancel(conn, job_id, "tester")
    wait_until(ledger.ended(job_id))
    assert (ledger.get(job_id).state, ledger.effects(job_id)) == (JobState.CANCELLED, 0)
    assert ledger.get(job_id).counters["rounds"] >= 1


@pytest.mark.parametrize("state", ["queued", "waiting"])
def test_a_job_is_cancelled_with_no_worker_up(ledger: Ledger, state: str) -> None:
    job_id = ledger.submit("probe.effectful", Number())
    with ledger.database.transaction() as conn:
        if state == "waiting":
            conn.execute("UPDATE jobs SET state = 'waiting' WHERE id = %s", [job_id])
        jobs.cancel(conn, job_id, "tester")
    assert ledger.get(job_id).state is JobState.CANCELLED


def test_a_stopped_worker_gives_its_job_back_and_no_failure_is_counted(
    ledger: Ledger, worker: Worker, workers: Workers, tmp_path: Path
) -> None:
    first = worker("db")
    go = tmp_path / "go"
    job_id = ledger.submit("probe.hang", Where(path=str(go)))
    wait_until(lambda: ledger.get(job_id).progress > 0)
    first.send(signal.SIGTERM)
    wait_until(lambda: not first.is_running, timeout=20)
    job = ledger.get(job_id)
    assert (job.state, job.failures) == (JobState.QUEUED, 0), first.log.read_text()
    go.touch()
    workers("db", "sweeps", "beat")
    wait_until(ledger.ended(job_id), timeout=20)
    assert ledger.effects(job_id) == 1


def test_an_envelope_is_what_celery_itself_would_send(ledger: Ledger, settings: Settings) -> None:
    from workers import tasks  # noqa: F401  (registers the tasks)
    from workers.app import app

    job_id = ledger.submit("probe.noop", Number())
    app.conf.broker_url = None
    with app.connection_for_write(url=settings.broker()) as connection:
        app.tasks["probe.noop"].apply_async([job_id], task_id=job_id, connection=connection)
    theirs, ours = (json.loads(m) for m in dispatch.broker().lrange(dispatch.queue_key(Queue.DB), 0, -1))
    for message in (theirs, ours):
        message["properties"] |= {"delivery_tag": "", "reply_to": ""}  # its own, and where results would go
        message["headers"].pop("origin")
    assert ours["headers"] == theirs["headers"]
    assert ours == theirs
