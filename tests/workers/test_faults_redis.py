"""Redis holds no truth: it may be wiped, stopped or frozen, and every job still runs."""

from collections.abc import Callable

import pytest

from shared.stack.process import ChildProcess
from tests.support.probe import Number
from tests.support.servers import RedisProcess
from tests.support.waiting import wait_until
from tests.workers.conftest import Ledger
from workers import dispatch, sweeps
from workers.calls import NEXT_KEY

CANARY = b"my name is Ada Lovelace"
Workers = Callable[..., list[ChildProcess]]


@pytest.fixture
def environment(environment: dict[str, str], own_redis: RedisProcess) -> dict[str, str]:
    return environment | {"REDIS_URL": own_redis.url}


@pytest.mark.slow(20)
def test_jobs_queued_in_a_wiped_redis_all_finish(ledger: Ledger, workers: Workers, own_redis: RedisProcess) -> None:
    ids = [ledger.submit("probe.effectful", Number(value=n)) for n in range(500)]
    own_redis.wipe()
    workers("db", "sweeps", "beat")
    wait_until(ledger.ended(*ids), timeout=60)
    with ledger.database.reading() as conn:
        assert conn.execute("SELECT count(*), count(DISTINCT job_id) FROM probe_effects").fetchone() == (500, 500)


def test_jobs_submitted_while_redis_is_down_run_when_it_is_back(
    ledger: Ledger, workers: Workers, own_redis: RedisProcess
) -> None:
    workers("db", "sweeps", "beat")
    own_redis.stop()
    ids = [ledger.submit("probe.effectful", Number(value=n)) for n in range(3)]
    own_redis.start()
    wait_until(ledger.ended(*ids), timeout=60)
    assert [ledger.effects(job_id) for job_id in ids] == [1, 1, 1]


def test_a_running_job_outlives_a_frozen_redis(ledger: Ledger, workers: Workers, own_redis: RedisProcess) -> None:
    workers("db", "sweeps", "beat")
    own_redis.freeze()
    job_id = ledger.submit("probe.effectful", Number())  # its wake-up times out, and is left to the sweep
    own_redis.thaw()
    wait_until(ledger.ended(job_id), timeout=60)
    assert ledger.effects(job_id) == 1


def test_the_sweep_removes_answered_calls_from_the_file_of_redis(ledger: Ledger, own_redis: RedisProcess) -> None:
    def in_file() -> bool:
        return any(CANARY in path.read_bytes() for path in own_redis.server.folder.rglob("*.aof"))

    client = dispatch.broker()
    client.rpush(NEXT_KEY, CANARY)
    client.lpop(NEXT_KEY)
    wait_until(in_file)
    sweeps.prune()
    wait_until(lambda: not in_file())
