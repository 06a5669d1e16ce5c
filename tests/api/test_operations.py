"""Health, readiness, metrics, and what the front says of its own faults."""

from collections.abc import Iterator

import httpx
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from tests.api.conftest import Front


def _parts(client: httpx.Client) -> tuple[int, dict[str, bool]]:
    answer = client.get("/readyz")
    return answer.status_code, {name: part["ok"] for name, part in answer.json()["parts"].items()}


def test_all_is_well(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert _parts(client) == (200, dict.fromkeys(["postgres", "migrations", "redis", "artifacts"], True))


def test_missing_migrations_are_named(front: Front, client: httpx.Client) -> None:
    with psycopg.connect(front.database.dsn) as conn:
        conn.execute("DELETE FROM schema_migrations WHERE name LIKE '0002%'")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "down")
    assert answer.json()["parts"]["migrations"] == {"ok": False, "detail": "not applied: 0002_router.sql"}
    assert answer.json()["parts"]["postgres"]["ok"]


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def test_metrics_count_jobs_queues_durations_and_answers(front: Front, client: httpx.Client) -> None:
    done, _ = (client.post("/v1/probe/noop").json()["id"] for _ in range(2))
    front.finish(done)
    client.post("/api/query", json={"query": "What is 2 + 2?"})
    found = {(name, *sorted(labels.values())): value for name, labels, value in _samples(client.get("/metrics").text)}
    assert found["tuneyard_jobs", "probe.noop", "queued"] == 1
    assert found["tuneyard_jobs", "probe.noop", "succeeded"] == 1
    assert found["tuneyard_job_duration_seconds_count", "probe.noop"] == 1
    assert found["tuneyard_queue_due_jobs", "db"] == 1
    assert found["tuneyard_queue_oldest_seconds", "db"] >= 0
    assert found["tuneyard_predictions_total", "fallback", "router"] == 1
    assert (found["tuneyard_part_up", "postgres"], found["tuneyard_part_up", "redis"]) == (1, 1)
    assert ("tuneyard_broker_messages", "db") in found


def test_problems_are_explained(client: httpx.Client) -> None:
    problem = client.get(f"/v1/jobs/job_{'0' * 32}").json()
    assert client.get(problem["type"]).json() == {"code": "not-found", "title": problem["title"]}
    assert client.get("/problems/nonsense").status_code == 404
    assert client.get("/nowhere").json()["code"] == "not-found"


def test_the_documentation_is_there(client: httpx.Client) -> None:
    assert client.get("/docs").status_code == 200
    assert client.get("/openapi.json").json()["info"]["title"] == "Tuneyard"
