"""Lists: pages by cursor, filters, and things that are not there."""

import httpx
import pytest

from shared.contracts import Scope
from shared.db import alerts, evaluations
from shared.ids import new_id
from tests.api.conftest import Front

NONE = "0" * 32


def test_pages_follow_each_other_without_gap_or_overlap(client: httpx.Client) -> None:
    made = [client.post("/v1/probe/noop", json={"value": n}).json()["id"] for n in range(7)]
    seen, cursor = [], None
    for _ in range(4):
        page = client.get("/v1/jobs", params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        seen += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == sorted(made, reverse=True)


def test_a_full_last_page_says_that_it_is_the_last(client: httpx.Client) -> None:
    for _ in range(3):
        client.post("/v1/probe/noop")
    assert client.get("/v1/jobs", params={"limit": 3}).json()["next_cursor"] is None


def test_filters(client: httpx.Client, front: Front) -> None:
    noop, wait = (client.post(f"/v1/probe/{name}").json()["id"] for name in ("noop", "wait"))
    freeze = client.post("/v1/router/freeze").json()["id"]
    front.finish(noop)

    def ids(**filters: str) -> set[str]:
        return {job["id"] for job in client.get("/v1/jobs", params=filters).json()["items"]}

    assert ids(kind="probe.noop") == {noop}
    assert ids(pipeline="probe") == {noop, wait}
    assert ids(state="queued") == {wait, freeze}
    assert ids(queue="db", pipeline="router") == {freeze}
    assert ids(parent=f"job_{NONE}") == set()


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=%00", "state=done", "queue=fast"])
def test_filters_that_mean_nothing_are_refused(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/v1/jobs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    assert answer.json()["details"]["errors"][0]["where"] == "query." + query.partition("=")[0]


@pytest.mark.parametrize(
    "path",
    ["models", "datasets", "predictions", "promotions", "alerts", "keys"],
)
def test_lists_of_nothing_are_empty(client: httpx.Client, path: str) -> None:
    assert client.get(f"/v1/{path}").json() == {"items": [], "next_cursor": None} or path == "keys"


@pytest.mark.parametrize(
    "path",
    [
        f"jobs/job_{NONE}",
        f"models/mdl_{NONE}",
        f"models/mdl_{NONE}/card",
        f"models/mdl_{NONE}/evaluations",
        f"datasets/ds_{NONE}",
        f"datasets/ds_{NONE}/diff/ds_{NONE}",
        f"predictions/pred_{NONE}",
        f"lineage/pred_{NONE}",
        f"lineage/ex_{NONE}",
        f"lineage/img_{NONE}",
    ],
)
def test_what_is_not_there_is_a_problem_with_advice(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/v1/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert NONE in answer.json()["detail"]


@pytest.mark.parametrize("action", ["activate", "deactivate", "rollback"])
def test_a_model_that_is_not_there_cannot_be_switched(client: httpx.Client, action: str) -> None:
    assert client.post(f"/v1/models/mdl_{NONE}/{action}", json={"reason": "why not"}).status_code == 404
    assert client.post(f"/v1/models/mdl_{NONE}/{action}", json={"reason": ""}).status_code == 422


def test_switching_a_model_submits_the_step_of_its_pipeline(client: httpx.Client, front: Front) -> None:
    model_id, dataset_id = f"mdl_{'1' * 32}", f"ds_{'1' * 32}"
    _register(front, model_id, dataset_id)
    assert client.get(f"/v1/models/{model_id}").json()["dataset_id"] == dataset_id
    why = {"reason": "a trial"}
    answers = {
        action: client.post(f"/v1/models/{model_id}/{action}", json=why).json()
        for action in ("activate", "deactivate", "rollback")
    }
    assert [a["kind"] for a in answers.values()] == ["router.activate", "router.deactivate", "router.rollback"]
    assert answers["activate"]["params"] == {
        "model_id": model_id, "reason": "a trial", "force": False, "accept_sunset": False,
    }  # fmt: skip
    assert answers["rollback"]["params"] == {"model_id": model_id, "reason": "a trial", "surface": "default"}


def test_a_model_shows_its_evaluations_page_by_page(client: httpx.Client, front: Front) -> None:
    model_id, dataset_id = f"mdl_{'1' * 32}", f"ds_{'1' * 32}"
    _register(front, model_id, dataset_id)
    ids = [new_id("eval") for _ in range(5)]
    with front.database.transaction() as conn:
        for evaluation_id in ids:
            evaluations.insert(
                conn, evaluation_id=evaluation_id, model_id=model_id, active_id=None, dataset_id=dataset_id,
                job_id=None, metrics={}, verdicts=(), report="x",
            )  # fmt: skip
    path = f"/v1/models/{model_id}/evaluations"
    first = client.get(path, params={"limit": 3}).json()
    second = client.get(path, params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [e["id"] for e in first["items"] + second["items"]] == ids[::-1]
    assert second["next_cursor"] is None


def _register(front: Front, model_id: str, dataset_id: str) -> None:
    with front.database.transaction() as conn:
        conn.execute(
            "INSERT INTO datasets (id, pipeline, surface, manifest, row_count, split_counts, seed)"
            " VALUES (%s, 'router', 'default', 'x', 1, '{}', 1)",
            [dataset_id],
        )
        conn.execute(
            "INSERT INTO models (id, pipeline, surface, version, manifest, dataset_id, parameters, libraries)"
            " VALUES (%s, 'router', 'default', 'v1', 'x', %s, '{}', '{}')",
            [model_id, dataset_id],
        )


def test_an_alert_that_somebody_has_seen_to_is_no_open_one(front: Front, client: httpx.Client) -> None:
    with front.database.transaction() as conn:
        alerts.raise_once(conn, "model-unreadable", "mdl_1", "it cannot be read", {})
    (told,) = client.get("/v1/alerts", params={"open": True}).json()["items"]
    closed = client.post(f"/v1/alerts/{told['id']}/close").json()
    assert closed["closed_at"]
    assert client.post(f"/v1/alerts/{told['id']}/close").json() == closed
    assert client.get("/v1/alerts", params={"open": True}).json()["items"] == []
    assert len(client.get("/v1/alerts").json()["items"]) == 1
    assert client.post("/v1/alerts/999/close").status_code == 404
    with front.client(front.key(Scope.REVIEW, name="Bob")) as reviewer:
        assert reviewer.post("/v1/alerts/999/close").status_code == 403
