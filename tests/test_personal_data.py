"""Personal data planted in queries is looked for everywhere that it must not be: a hit is a leak."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.db.pool import Database
from shared.stack.process import ChildProcess
from tests.support.leaks import in_logs, in_redis, in_tables
from tests.support.processes import ApiServer

CANARIES = ("Wilhelmina Quackenbush", "wilhelmina@canary.example", "+1-555-0142", "4111 1111 1111 1111")
TEXT = f"Why does {CANARIES[0]} ({CANARIES[1]}, {CANARIES[2]}, card {CANARIES[3]}) ask this?"

# What people wrote, and ground truth made of it, are where they belong; nothing else may hold them.
_THEIR_PLACE = frozenset({"queries", "ml_data"})


def _lines() -> bytes:
    labels = ("EASY", "MEDIUM", "HARD")
    rows = [{"query": f"{TEXT} Question {n} {labels[n % 3]}", "label": labels[n % 3]} for n in range(120)]
    return "\n".join(json.dumps(row) for row in rows).encode()


def _walk(server: ApiServer) -> list[str]:
    """Walk the loop with the canaries in every input; return what the front said where it must not say them."""
    said = []
    with server.client(timeout=90) as client:
        upload = {"Content-Type": "application/x-ndjson", "Prefer": "wait=60"}
        bad = json.dumps({"query": TEXT, "label": CANARIES[0]}).encode()
        assert client.post("/v1/router/import", content=_lines(), headers=upload).json()["state"] == "succeeded"
        refused = client.post("/v1/router/import", content=bad, headers=upload)
        assert refused.json()["state"] == "failed"
        retrained = client.post("/v1/router/retrain", json={}, headers={"Prefer": "wait=60"})
        assert retrained.json()["state"] == "succeeded", retrained.text
        answers = [client.post("/api/query", json={"query": f"{TEXT} {n}"}).json() for n in range(20)]
        client.post("/api/query", json={"query": TEXT, "override": "HARD"}).raise_for_status()
        feedback = {"queryId": answers[0]["queryId"], "label": "EASY"}
        client.post("/api/feedback", json=feedback).raise_for_status()
        client.post("/api/query", json={"query": TEXT, "override": CANARIES[0]})  # a mistake, answered with a problem
        said += [refused.text, retrained.text]
        pages = (
            "/metrics", "/v1/jobs", "/v1/models", "/v1/datasets", "/v1/predictions", "/v1/promotions", "/v1/alerts",
            f"/v1/lineage/{answers[0]['queryId']}", f"/v1/models/{retrained.json()['result']['model_id']}/card",
        )  # fmt: skip
        for page in pages:
            said.append(client.get(page).raise_for_status().text)
    return said


@pytest.mark.slow(17)
def test_what_people_write_stays_in_its_tables(
    api_server: Callable[..., ApiServer],
    workers: Callable[..., list[ChildProcess]],
    database: Database,
    redis_url: str,
    tmp_path: Path,
) -> None:
    workers("db", "inference", LOG_LEVEL="DEBUG")
    server = api_server(LOG_LEVEL="DEBUG")
    said = _walk(server)
    server.process.ask_to_stop()
    server.process.wait(20)
    places = in_tables(database, besides=_THEIR_PLACE) | in_logs(tmp_path / "logs")
    places |= {f"answer {number}": text for number, text in enumerate(said)}
    places["redis"] = in_redis(redis_url)
    leaks = [(place, canary) for place, text in places.items() for canary in CANARIES if canary in text]
    assert not leaks
    assert len(places) > 20
