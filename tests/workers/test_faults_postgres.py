"""A restart of Postgres under load: no acknowledged job is lost, and everything reconnects."""

from collections.abc import Callable

import pytest

from shared.db.migrate import migrate
from shared.errors import UnavailableError
from shared.stack.process import ChildProcess
from tests.support.probe import Number
from tests.support.servers import PostgresProcess
from tests.support.waiting import wait_until
from tests.workers.conftest import Ledger

Workers = Callable[..., list[ChildProcess]]


@pytest.fixture
def environment(environment: dict[str, str], own_postgres: PostgresProcess) -> dict[str, str]:
    dsn = own_postgres.server.dsn()
    migrate(dsn)
    return environment | {"DATABASE_URL": dsn}


@pytest.mark.slow(18)
@pytest.mark.parametrize("how", ["restart", "crash"])
def test_no_acknowledged_job_is_lost_when_postgres_restarts(
    ledger: Ledger, workers: Workers, own_postgres: PostgresProcess, how: str
) -> None:
    workers("db", "sweeps", "beat")
    acknowledged: list[str] = []

    def submit_some(count: int) -> None:
        for number in range(count):
            try:
                acknowledged.append(ledger.submit("probe.effectful", Number(value=number)))
            except UnavailableError:  # not acknowledged: the client is told, and may try again
                continue

    submit_some(100)
    if how == "restart":
        own_postgres.restart()
    else:
        own_postgres.kill()
        own_postgres.start()
    submit_some(50)
    assert len(acknowledged) >= 100
    wait_until(ledger.ended(*acknowledged), timeout=90)
    with ledger.database.reading() as conn:
        counted = conn.execute("SELECT count(*), count(DISTINCT job_id) FROM probe_effects").fetchone()
    assert counted == (len(acknowledged), len(acknowledged))
