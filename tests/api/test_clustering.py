"""The seed's ``POST /api/admin/insights/cluster-all`` over real HTTP."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from api import insights
from shared.contracts import Scope
from shared.stack.process import ChildProcess
from tests.api.conftest import Front
from tests.shared.pipelines.dedup.desk import Desk
from tests.support.waiting import wait_until

PATH = "/api/admin/insights/cluster-all"


@pytest.fixture
def desk(front: Front) -> Desk:
    """Insights in a plane: three are alike, two others too, one is alone."""
    desk = Desk(front.database)
    for statement, degrees in {"a": 0, "b": 10, "c": 20, "d": 180, "e": 200, "f": 90}.items():
        desk.insight(statement, (math.cos(math.radians(degrees)), math.sin(math.radians(degrees))))
    return desk


def test_all_insights_are_clustered(
    client: httpx.Client, desk: Desk, worker: Callable[..., ChildProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insights, "_PATIENCE_S", 60)  # a busy machine starts a process slowly
    worker("gpu")
    answer = client.post(PATH, timeout=90)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    job_id = body.pop("jobId")
    assert body == {
        "success": True,
        "insights": 6,
        "clusters": 2,
        "newClusters": 2,
        "clusteredInsights": 5,
        "threshold": 0.8,
        "linkage": "complete",
        "message": "2 clusters of 5 insights wait for a decision: GET /v1/review/dedup/clusters.",
    }
    assert client.get(f"/v1/jobs/{job_id}").json()["state"] == "succeeded"
    assert len(client.get("/v1/review/dedup/clusters").json()["items"]) == 2


def test_it_is_chosen_how_and_said_why_not(client: httpx.Client, desk: Desk) -> None:
    def post(**body: object) -> httpx.Response:
        """Ask, and be the worker meanwhile."""
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.post, PATH, json=body)
            queued = "SELECT id FROM jobs WHERE state = 'queued'"
            wait_until(lambda: bool(desk.rows(queued)))
            desk.finish(desk.rows(queued)[0][0])
            return answer.result()

    body = post(threshold=0.95, linkage="average").json()
    assert (body["clusters"], body["clusteredInsights"]) == (1, 3)
    assert (body["threshold"], body["linkage"]) == (0.95, "average")
    assert post(threshold=1.0).json()["message"].startswith("No two of 6 insights look alike")
    desk.change("INSERT INTO insights (id, statement, embedding, embedding_model) VALUES ('x', 'x', '[1]', 'other@1')")
    refused = post()
    assert refused.status_code == 409, refused.text
    assert refused.json()["code"] == "embeddings-mixed"
    assert "dedup.reembed" in refused.json()["advice"]


def test_what_takes_longer_is_a_job_to_follow(
    front: Front, client: httpx.Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insights, "_PATIENCE_S", 0.1)
    answer = client.post(PATH, headers={"Idempotency-Key": "once"})
    assert answer.status_code == 202
    job_id = answer.json()["jobId"]
    assert answer.headers["Location"] == f"/v1/jobs/{job_id}"
    assert front.job(job_id).kind == "dedup.cluster"
    assert client.post(PATH, headers={"Idempotency-Key": "once"}).json()["jobId"] == job_id
    under_way = client.post(PATH)
    assert under_way.status_code == 409
    assert job_id in under_way.json()["advice"]
    desk.finish(job_id)
    assert client.post(PATH, headers={"Idempotency-Key": "once"}).json()["clusters"] == 2


def test_bad_wishes_are_refused(front: Front, client: httpx.Client) -> None:
    bad: tuple[object, ...] = ({"threshold": 0}, {"threshold": 1.1}, {"linkage": "single"}, {"other": 1}, [])
    for body in bad:
        assert client.post(PATH, json=body).status_code == 422
    with front.client(front.key(Scope.REVIEW)) as reviewer:
        assert reviewer.post(PATH).status_code == 403
