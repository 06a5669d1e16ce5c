"""Submitting steps: the promise of 202, and every way in which it is refused."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import httpx
import pytest

from shared.contracts import JobState, Scope
from shared.stack.process import ChildProcess
from tests.api.conftest import Front

BRACKETS = '{"a":' * 40 + "1" + "}" * 40


def test_a_submit_is_accepted_and_shows_the_job_as_it_lies_in_the_ledger(client: httpx.Client) -> None:
    answer = client.post("/v1/probe/noop", json={"value": 3})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
    assert (job["kind"], job["pipeline"], job["state"], job["params"]) == (
        "probe.noop",
        "probe",
        "queued",
        {"value": 3},
    )
    assert client.get(answer.headers["location"]).json() == job
    assert datetime.fromisoformat(job["created_at"]).tzinfo is not None
    assert job["created_at"].endswith("Z")


@pytest.mark.parametrize("value", [2**40, 2**80, -(2**63)])
def test_numbers_of_any_size_come_back_as_they_were(client: httpx.Client, value: int) -> None:
    job = client.post("/v1/probe/noop", json={"value": value}).json()
    assert job["params"] == {"value": value}
    assert client.get(job["links"]["self"]).json() == job


def test_no_body_means_the_defaults(client: httpx.Client) -> None:
    assert client.post("/v1/probe/noop").json()["params"] == {"value": 0}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"value": "my secret"}', 422, "invalid-input"),
        (b'{"valeu": 1}', 422, "invalid-input"),
        (b'{"value":', 422, "invalid-input"),
        (b"[]", 422, "invalid-input"),
        (b"\xff\xfe", 422, "invalid-input"),
        (BRACKETS.encode(), 413, "too-large"),
        (b'{"value": ' + b" " * 1_000_001 + b"1}", 413, "too-large"),
    ],
)
def test_a_body_that_breaks_its_contract_is_refused_and_not_repeated(
    client: httpx.Client, body: bytes, status: int, code: str
) -> None:
    answer = client.post("/v1/probe/noop", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert (problem["code"], problem["type"]) == (code, f"/problems/{code}")
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "secret" not in answer.text
    assert client.get("/v1/jobs").json()["items"] == []


def test_text_that_the_database_cannot_store_is_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/probe/hang", content=rb'{"path": "a\u0000b"}')
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")


def test_another_media_type_is_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/probe/noop", content=b"value=1", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


def test_an_unknown_step_and_a_wrong_method_are_problems_too(client: httpx.Client) -> None:
    unknown, wrong = client.post("/v1/probe/fly"), client.get("/v1/probe/noop")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not-found")
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (405, "method-not-allowed", "POST")


def test_jobs_that_must_not_run_together_conflict_and_the_other_one_is_named(client: httpx.Client) -> None:
    first = client.post("/v1/probe/alone").json()
    second = client.post("/v1/probe/alone")
    assert (second.status_code, second.json()["details"]) == (409, {"job_id": first["id"]})


def test_many_at_once_share_commits_and_each_gets_its_own_job(front: Front, client: httpx.Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: client.post("/v1/probe/noop", json={"value": n}), range(200)))
    assert [a.status_code for a in answers] == [202] * 200
    assert [a.json()["params"]["value"] for a in answers] == list(range(200))
    assert len({a.json()["id"] for a in answers}) == 200
    with front.database.reading() as conn:
        assert conn.execute("SELECT count(*) FROM jobs").fetchone() == (200,)
        assert len(conn.execute("SELECT DISTINCT xmin::text FROM jobs").fetchall()) < 200


def test_prefer_wait_answers_with_the_result(client: httpx.Client, worker: Callable[..., ChildProcess]) -> None:
    worker("db", TUNEYARD_PIPELINES="tests.support.probe")
    answer = client.post("/v1/probe/noop", json={"value": 7}, headers={"Prefer": "respond-async, wait=20"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=20")
    assert (answer.json()["state"], answer.json()["result"]) == ("succeeded", {"value": 7})


def test_prefer_wait_that_ends_too_soon_is_a_plain_202(client: httpx.Client) -> None:
    answer = client.post("/v1/probe/noop", headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert "preference-applied" not in answer.headers


def test_cancel_and_retry(client: httpx.Client, front: Front) -> None:
    job_id = client.post("/v1/probe/noop").json()["id"]
    cancelled = client.post(f"/v1/jobs/{job_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    again = client.post(f"/v1/jobs/{job_id}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert client.post(f"/v1/jobs/{job_id}/retry").json()["state"] == "queued"
    assert front.job(job_id).state is JobState.QUEUED


def test_a_step_needs_its_scope(front: Front) -> None:
    with front.client(front.key(Scope.SUBMIT)) as submitter:
        assert submitter.post("/v1/router/freeze").status_code == 202
        promoting = submitter.post("/v1/router/promote", json={"model_id": "mdl_" + "0" * 32})
        assert (promoting.status_code, promoting.json()["code"]) == (403, "forbidden")
    with front.client(front.key(Scope.REVIEW)) as reviewer:
        assert reviewer.post("/v1/router/freeze").status_code == 403
