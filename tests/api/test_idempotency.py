"""``Idempotency-Key``: the same again gives the same again; anything else under it is refused."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from shared.contracts import Scope
from tests.api.conftest import Front

KEY = {"Idempotency-Key": "a-key"}


def _count(front: Front) -> int:
    with front.database.reading() as conn:
        row = conn.execute("SELECT count(*) FROM jobs").fetchone()
    assert row
    return int(row[0])


def test_the_same_request_gives_the_same_job(front: Front, client: httpx.Client) -> None:
    first = client.post("/v1/probe/noop", json={"value": 1}, headers=KEY)
    second = client.post("/v1/probe/noop", json={"value": 1}, headers=KEY)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert _count(front) == 1


def test_another_request_under_the_key_is_refused(front: Front, client: httpx.Client) -> None:
    client.post("/v1/probe/noop", json={"value": 1}, headers=KEY)
    for path in ("/v1/probe/noop", "/v1/probe/effectful"):
        other = client.post(path, json={"value": 2}, headers=KEY)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert _count(front) == 1


def test_many_at_once_under_one_key_make_one_job(front: Front, client: httpx.Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/probe/noop", headers=KEY), range(64)))
    assert {a.status_code for a in answers} == {202}
    assert len({a.json()["id"] for a in answers}) == 1
    assert _count(front) == 1


def test_a_key_belongs_to_whoever_sent_it(front: Front) -> None:
    with front.client(front.key(name="ana")) as ana, front.client(front.key(name="bob")) as bob:
        jobs = {c.post("/v1/probe/noop", headers=KEY).json()["id"] for c in (ana, bob)}
    assert len(jobs) == 2


def test_a_key_is_not_spent_on_a_conflict(client: httpx.Client) -> None:
    running = client.post("/v1/probe/alone").json()["id"]
    assert client.post("/v1/probe/alone", headers=KEY).status_code == 409
    client.post(f"/v1/jobs/{running}/cancel")
    assert client.post("/v1/probe/alone", headers=KEY).status_code == 202


def test_other_requests_are_remembered_with_their_answer(client: httpx.Client) -> None:
    job_id = client.post("/v1/probe/noop").json()["id"]
    first = client.post(f"/v1/jobs/{job_id}/cancel", headers=KEY)
    second = client.post(f"/v1/jobs/{job_id}/cancel", headers=KEY)
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json() == first.json()
    other = client.post(f"/v1/jobs/{job_id}/retry", headers=KEY)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    job = client.post("/v1/probe/noop", headers=KEY)
    assert (job.status_code, job.json()["code"]) == (422, "idempotency-key-reused")


def test_a_refused_request_is_not_remembered(client: httpx.Client) -> None:
    missing = f"/v1/jobs/job_{'0' * 32}/cancel"
    assert client.post(missing, headers=KEY).status_code == 404
    job_id = client.post("/v1/probe/noop").json()["id"]
    assert client.post(f"/v1/jobs/{job_id}/cancel", headers=KEY).status_code == 200


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_a_key_that_is_none_is_refused(client: httpx.Client, key: str) -> None:
    for path in ("/v1/probe/noop", f"/v1/jobs/job_{'0' * 32}/cancel"):
        answer = client.post(path, headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")


def test_a_query_is_answered_once(front: Front) -> None:
    with front.client(front.key(Scope.SUBMIT)) as client:
        body = {"query": "What is 2 + 2?"}
        first, second = (client.post("/api/query", json=body, headers=KEY) for _ in range(2))
        assert first.status_code == 200
        assert second.json() == first.json()
        assert client.post("/api/query", json={"query": "Another?"}, headers=KEY).status_code == 422
