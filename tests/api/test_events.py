"""Following a job: server-sent events, with no gap and no end too early."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from api.commands.client import Event, parse_events
from shared.db import attempts
from tests.api.conftest import NO_HURRY, Front
from tests.support.processes import ApiServer
from tests.support.waiting import wait_until


@contextmanager
def _follow(client: httpx.Client, job_id: str, after: int | None = None) -> Iterator[Iterator[Event]]:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(after)} if after is not None else {})
    with client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield parse_events(answer.iter_lines())


def test_a_stream_shows_what_was_and_what_comes_and_ends_with_the_job(front: Front, client: httpx.Client) -> None:
    job_id = client.post("/v1/probe/noop").json()["id"]
    with _follow(client, job_id) as events:
        assert next(events).type == "queued"
        with front.database.transaction() as conn:
            job = attempts.claim(conn, job_id, worker="w", lease=NO_HURRY)
        assert next(events).type == "running"
        assert job
        with front.database.transaction() as conn:
            attempts.report(
                conn, job_id, job.attempt, fraction=0.5, message="half", counters={"rows": 5}, lease=NO_HURRY
            )
        halfway = next(events)
        assert (halfway.type, halfway.message, halfway.data) == ("progress", "half", {"fraction": 0.5, "rows": 5})
        with front.database.transaction() as conn:
            attempts.succeed(conn, job_id, job.attempt, {"value": 1})
        assert [e.type for e in events] == ["succeeded"]


def test_a_broken_stream_goes_on_where_it_was(front: Front, client: httpx.Client) -> None:
    job_id = client.post("/v1/probe/noop").json()["id"]
    with _follow(client, job_id) as events:
        seen = next(events).seq
    front.finish(job_id)
    with _follow(client, job_id, after=seen) as events:
        rest = list(events)
    assert [e.type for e in rest] == ["running", "succeeded"]
    over = client.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(rest[-1].seq)})
    assert over.status_code == 204


def test_a_job_that_was_retried_is_followed_past_its_failure(front: Front, client: httpx.Client) -> None:
    job_id = client.post("/v1/probe/noop").json()["id"]
    client.post(f"/v1/jobs/{job_id}/cancel")
    client.post(f"/v1/jobs/{job_id}/retry")
    with _follow(client, job_id) as events:
        assert [next(events).type for _ in range(3)] == ["queued", "cancelled", "queued"]
        front.finish(job_id)
        assert [e.type for e in events] == ["running", "succeeded"]


def test_events_are_a_list_for_whoever_wants_json(front: Front, client: httpx.Client) -> None:
    job_id = client.post("/v1/probe/noop").json()["id"]
    front.finish(job_id)
    path, headers = f"/v1/jobs/{job_id}/events", {"Accept": "application/json"}
    first = client.get(path, headers=headers, params={"limit": 2}).json()
    second = client.get(path, headers=headers, params={"cursor": first["next_cursor"], "limit": 2}).json()
    assert [e["type"] for e in first["items"] + second["items"]] == ["queued", "running", "succeeded"]
    assert second["next_cursor"] is None


def test_an_unknown_job_has_no_events(client: httpx.Client) -> None:
    for accept in ("application/json", "text/event-stream"):
        answer = client.get(f"/v1/jobs/job_{'0' * 32}/events", headers={"Accept": accept})
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_many_jobs_are_followed_at_once(front: Front, client: httpx.Client) -> None:
    followed = [client.post("/v1/probe/noop").json()["id"] for _ in range(20)]
    with front.client() as other:
        streams = [_follow(other, job_id) for job_id in followed]
        opened = [stream.__enter__() for stream in streams]
        assert [next(events).type for events in opened] == ["queued"] * 20
        for job_id in reversed(followed):
            front.finish(job_id)
        assert [[e.type for e in events] for events in opened] == [["running", "succeeded"]] * 20
        for stream in streams:
            stream.__exit__(None, None, None)


def test_a_front_that_is_stopped_lets_go_of_its_listeners(api_server: Callable[..., ApiServer]) -> None:
    server = api_server()
    with server.client() as client:
        job_id = client.post("/v1/router/freeze").json()["id"]
        with _follow(client, job_id) as events:
            assert next(events).type == "queued"
            server.process.send(signal.SIGTERM)
            assert list(events) == []
    wait_until(lambda: not server.process.is_running, timeout=5)
    assert server.process.exit_code == -signal.SIGTERM
