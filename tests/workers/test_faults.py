"""What must survive the death of a worker: real processes, real signals, and every effect exactly once."""

import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from beat_schedule import ENTRIES
from shared.contracts import JobState
from shared.db import schedules
from shared.stack.process import ChildProcess
from tests.support.probe import Nothing, Number, Where
from tests.support.waiting import wait_until
from tests.workers.conftest import Ledger
from workers import dispatch

Worker = Callable[..., ChildProcess]
Workers = Callable[..., list[ChildProcess]]
REAL = {"LEASE_SECONDS": "30", "HEARTBEAT_SECONDS": "5", "SWEEP_SECONDS": "5", "RESEND_AFTER_SECONDS": "10"}


@pytest.mark.slow(37)
def test_a_job_whose_worker_is_killed_is_at_work_again_within_45_seconds(
    ledger: Ledger, worker: Worker, workers: Workers, tmp_path: Path
) -> None:
    first, *_ = workers("db", "sweeps", "beat", **REAL)
    go = tmp_path / "go"
    job_id = ledger.submit("probe.deaf", Where(path=str(go)))
    wait_until(go.with_suffix(".1").exists)
    first.kill()
    worker("db", **REAL)
    wait_until(go.with_suffix(".2").exists, timeout=45)
    go.touch()
    wait_until(ledger.ended(job_id), timeout=20)
    assert ledger.effects(job_id) == 1
    assert ledger.events(job_id) == ["queued", "running", "rescued", "running", "succeeded"]


def test_a_heartbeat_keeps_a_long_step_from_being_rescued(ledger: Ledger, workers: Workers, tmp_path: Path) -> None:
    workers("db", "sweeps", "beat")
    go = tmp_path / "go"
    job_id = ledger.submit("probe.deaf", Where(path=str(go)))
    wait_until(go.with_suffix(".1").exists)
    lease_until = ledger.get(job_id).lease_until
    assert lease_until
    wait_until(lambda: (ledger.get(job_id).lease_until or lease_until) > lease_until + timedelta(seconds=3), timeout=20)
    go.touch()
    wait_until(ledger.ended(job_id))
    assert (ledger.get(job_id).attempt, ledger.effects(job_id)) == (1, 1)


@pytest.mark.slow(15)
def test_a_worker_frozen_past_its_lease_writes_nothing_when_it_thaws(
    ledger: Ledger, worker: Worker, workers: Workers, tmp_path: Path
) -> None:
    first = worker("db")
    go = tmp_path / "go"
    job_id = ledger.submit("probe.deaf", Where(path=str(go)))
    wait_until(go.with_suffix(".1").exists)
    first.send_to_all(signal.SIGSTOP)
    workers("sweeps", "beat", "db")
    wait_until(go.with_suffix(".2").exists, timeout=20)
    go.touch()  # both attempts may now end
    wait_until(ledger.ended(job_id))
    first.send_to_all(signal.SIGCONT)
    wait_until(lambda: "another attempt owns the job" in first.log.read_text(), timeout=20)
    assert (ledger.get(job_id).result, ledger.effects(job_id)) == ({"value": 2}, 1)


@pytest.mark.slow(21)
def test_a_poison_job_stops_after_its_attempts_and_its_neighbours_go_on(ledger: Ledger, workers: Workers) -> None:
    workers("db", "sweeps", "beat")
    before = [ledger.submit("probe.effectful", Number(value=n)) for n in range(5)]
    poison = ledger.submit("probe.poison", Nothing())
    after = [ledger.submit("probe.effectful", Number(value=n)) for n in range(5)]
    wait_until(ledger.ended(poison, *before, *after), timeout=60)
    dead = ledger.get(poison)
    assert (dead.state, dead.failures) == (JobState.FAILED, 3)
    assert [ledger.effects(job_id) for job_id in before + after] == [1] * 10


def test_a_garbage_message_kills_a_worker_at_most_and_no_job_is_lost(
    ledger: Ledger, worker: Worker, workers: Workers
) -> None:
    first = worker("db")
    key = dispatch.queue_key("db")
    ids = [ledger.submit("probe.effectful", Number(value=n)) for n in range(3)]
    dispatch.broker().lpush(key, b"this is no envelope", b'{"body": 1}')
    ids += [ledger.submit("probe.effectful", Number(value=n)) for n in range(3)]
    workers("sweeps", "beat")

    def all_done() -> bool:
        nonlocal first
        if not first.is_running:  # what a supervisor does
            first = worker("db")
        return ledger.ended(*ids)()

    wait_until(all_done, timeout=60)
    assert [ledger.effects(job_id) for job_id in ids] == [1] * 6


def test_two_beats_fire_each_slot_once(ledger: Ledger, workers: Workers) -> None:
    entry = ENTRIES[0]
    with ledger.database.transaction() as conn:
        schedules.open_slot(conn, entry.name, entry.every)
        conn.execute("UPDATE schedule_slots SET at = at - %s", [entry.every * 1.5])
    _, first, second = workers("sweeps", "beat", "beat")

    def slots() -> list[int]:
        with ledger.database.reading() as conn:
            return [slot for slot, _, _ in schedules.history(conn, entry.name, 10)]

    wait_until(lambda: slots() == [1, 0], timeout=20)
    # a later job of the sweeps' queue, in order behind whatever the beats have sent: both have had their say by then
    beats = [first, second]
    wait_until(lambda: all(b.log.read_text().count(f"Sending due task {entry.name}") >= 2 for b in beats), timeout=30)
    wait_until(lambda: dispatch.queue_depths()["sweeps"] == 0)
    assert slots() == [1, 0]
    with ledger.database.reading() as conn:
        assert conn.execute("SELECT count(*) FROM jobs WHERE kind = %s", [entry.step]).fetchone() == (1,)


def test_a_killed_sweeper_is_no_harm(ledger: Ledger, worker: Worker, workers: Workers) -> None:
    sweeps, *_ = workers("sweeps", "beat", "db")
    sweeps.kill()
    job_id = ledger.submit("probe.effectful", Number(), send=False)
    with ledger.database.transaction() as conn:
        conn.execute("UPDATE jobs SET sent_at = NULL")
    worker("sweeps")
    wait_until(ledger.ended(job_id), timeout=20)
    assert ledger.effects(job_id) == 1
