"""What the front does while a part is away: it keeps its promise, or says in time that it cannot give one."""

import time
from collections.abc import Callable

import httpx
import psycopg
import pytest

from shared.contracts import JobState
from shared.db.pool import Database
from shared.stack.process import ChildProcess
from tests.api.conftest import Front
from tests.support.servers import RedisProcess
from tests.support.waiting import wait_until


@pytest.fixture
def redis_url(own_redis: RedisProcess) -> str:
    """Let all parts of these tests use a Redis that may be broken."""
    return own_redis.url


def _timed_submit(client: httpx.Client) -> float:
    start = time.monotonic()
    assert client.post("/v1/probe/noop").status_code == 202
    return time.monotonic() - start


@pytest.mark.parametrize("fault", ["freeze", "stop"])
def test_without_redis_a_submit_is_still_accepted_in_time_and_runs_later(
    fault: str, own_redis: RedisProcess, client: httpx.Client, front: Front, workers: Callable[..., list[ChildProcess]]
) -> None:
    _timed_submit(client)
    getattr(own_redis, fault)()
    took = sorted(_timed_submit(client) for _ in range(50))
    assert took[-5] < 0.5  # on a busy machine a few may come late; waiting for Redis would hold up all
    parts = client.get("/readyz").json()["parts"]
    assert (parts["redis"]["ok"], parts["postgres"]["ok"]) == (False, True)
    (own_redis.thaw if fault == "freeze" else own_redis.start)()
    quick = {"SWEEP_SECONDS": "1", "RESEND_AFTER_SECONDS": "1"}
    workers("db", "sweeps", "beat", TUNEYARD_PIPELINES="tests.support.probe", **quick)
    wait_until(lambda: _count(front.database, JobState.SUCCEEDED) == 51, timeout=40)


def test_a_query_is_answered_without_redis(own_redis: RedisProcess, client: httpx.Client) -> None:
    own_redis.freeze()
    answer = client.post("/api/query", json={"query": "What is 2 + 2?"})
    assert (answer.status_code, answer.json()["path"]) == (200, "fallback")


def test_connections_that_break_cost_no_request(front: Front, client: httpx.Client) -> None:
    acknowledged = set()
    for round_ in range(60):
        if round_ % 10 == 5:
            _break_connections(front.database)
        answer = client.post("/v1/probe/noop")
        assert answer.status_code == 202
        acknowledged.add(answer.json()["id"])
        assert client.get(f"/v1/jobs/{answer.json()['id']}").status_code == 200
    _break_connections(front.database)
    known = front.database.read(lambda conn: {row[0] for row in conn.execute("SELECT id FROM jobs")})
    assert known == acknowledged


def _break_connections(database: Database) -> None:
    with psycopg.connect(database.dsn) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )


def _count(database: Database, state: JobState) -> int:
    with database.reading() as conn:
        row = conn.execute("SELECT count(*) FROM jobs WHERE state = %s", [state]).fetchone()
    assert row
    return int(row[0])
