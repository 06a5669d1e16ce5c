"""Statements on their way through real processes: a worker that is killed in the middle, then a decision."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shared.db.pool import Database
from shared.stack.process import ChildProcess
from tests.support.processes import ApiServer
from tests.support.waiting import wait_until

StartWorker = Callable[..., ChildProcess]

TOPICS = 140
QUICK = {"LEASE_SECONDS": "3", "HEARTBEAT_SECONDS": "0.5", "SWEEP_SECONDS": "0.5", "RESEND_AFTER_SECONDS": "1"}


def _lines() -> bytes:
    rows = [
        {"statement": f"{text} topic number {n} of the interviews", "source": f"interview {n % 7}", "locator": str(n)}
        for n in range(TOPICS)
        for text in ("Customers often bring up", "Customers very often bring up")
    ]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _count(database: Database, table: str) -> int:
    with database.reading() as conn:
        ((count,),) = conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()
    return int(count)


def _ended(client: httpx.Client, job_id: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
        return job if job["state"] in {"succeeded", "failed"} else None

    return wait_until(ended, timeout=90, message="the job did not end")


@pytest.mark.slow(20)
@pytest.mark.timeout(200)
def test_an_ingest_outlives_the_death_of_its_worker(
    api_server: Callable[..., ApiServer], worker: StartWorker, database: Database, api_key: str
) -> None:
    server = api_server()
    own = QUICK | {"TUNEYARD_URL": server.url, "TUNEYARD_KEY": api_key}
    for queue in ("db", "inference", "sweeps", "beat"):
        worker(queue, **QUICK)
    doomed = worker("finetune", **own)
    with server.client(timeout=60) as client:
        upload = client.post("/v1/uploads", content=_lines()).json()["upload"]
        job = client.post("/v1/dedup/ingest", json={"file": upload, "mode": "assist"}).json()
        wait_until(lambda: _count(database, "insights") or not doomed.is_running, timeout=60)
        doomed.kill()
        before = _count(database, "insights")
        worker("finetune", **own)
        ended = _ended(client, job["id"])
        assert ended["state"] == "succeeded", ended["error"]
        result = ended["result"]
        assert (result["lines"], result["statements"], result["new"]) == (2 * TOPICS, 2 * TOPICS, 2 * TOPICS)
        assert _count(database, "insights") == _count(database, "insight_sources") == 2 * TOPICS
        assert before < 2 * TOPICS, "it was killed in the middle"
        assert _count(database, "incoming_statements") == 0
        (item,) = client.get("/v1/review/dedup/clusters", params={"limit": 1}).json()["items"]
        decided = client.post(f"/v1/review/dedup/clusters/{item['id']}", json={"decision": {"decision": "approve"}})
        assert decided.json()["came_to"]["merge"] == 1
