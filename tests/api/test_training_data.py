"""The seed's export over real HTTP: its words, its minimums, its splits, and no personal data."""

import json
from collections.abc import Iterator
from itertools import combinations

import httpx
import pytest

from shared.contracts import Scope
from tests.api.conftest import Front
from tests.shared.pipelines.dedup.desk import Desk

EXPORT = "/api/admin/insights/export-training-data"
CANARY = "ada.canary@mail.example"


@pytest.fixture
def desk(front: Front) -> Desk:
    return Desk(front.database)


@pytest.fixture
def reviewer(front: Front) -> Iterator[httpx.Client]:
    with front.client(front.key(Scope.REVIEW)) as client:
        yield client


def decide(desk: Desk, approved: int, rejected: int, *, about: str = "") -> None:
    for number in range(approved):
        desk.decide(desk.cluster(f"{about}Good {number}", f"{about}Good {number} again"), "approve")
    for number in range(rejected):
        desk.decide(desk.cluster(f"{about}Bad {number}", f"{about}Bad {number} never"), "reject")


def test_without_enough_decisions_the_seed_says_so(desk: Desk, reviewer: httpx.Client) -> None:
    nothing = reviewer.get(EXPORT)
    assert (nothing.status_code, nothing.json()["detail"]) == (409, "No training data available")
    assert "review and approve or reject clusters" in nothing.json()["advice"]
    decide(desk, 10, 9)
    too_few = reviewer.get(EXPORT, params={"format": "json"})
    assert (too_few.status_code, too_few.json()["detail"]) == (409, "Insufficient training data")
    assert too_few.json()["details"] == {"positive": 10, "negative": 9, "needed": 10}
    refused = reviewer.get(EXPORT, params={"format": "xml"})
    assert refused.status_code == 422


def test_an_export_has_each_pair_in_one_split_and_nobodys_address(desk: Desk, reviewer: httpx.Client) -> None:
    decide(desk, 30, 30)
    three = [f"{CANARY} says thing {number}" for number in range(3)]
    desk.decide(desk.cluster(*three), "partial", *three[:2])
    lines = {
        split: reviewer.get(EXPORT, params={"format": "openai_jsonl", "split": split}).text.splitlines()
        for split in ("train", "test", "all")
    }
    assert sorted(lines["train"] + lines["test"]) == sorted(lines["all"])
    assert not set(lines["train"]) & set(lines["test"])
    assert len(lines["all"]) == 63
    default = reviewer.get(EXPORT)
    assert default.text.splitlines() == lines["train"]
    assert default.headers["Tuneyard-Held-Out"] == str(len(lines["test"]))
    assert default.headers["Tuneyard-Warning"] == (
        "31 positive and 32 negative examples: 50 of each are recommended"
    )  # fmt: skip
    roles = [[message["role"] for message in json.loads(line)["messages"]] for line in lines["all"]]
    assert roles == [["system", "user", "assistant"]] * 63
    assert {json.loads(line)["messages"][2]["content"] for line in lines["all"]} == {"merge", "separate"}
    analysis = reviewer.get(EXPORT, params={"format": "json", "stats": "true"})
    told = analysis.json()
    assert told["stats"]["splits"]["train"]["positive"] + told["stats"]["splits"]["test"]["positive"] == 31
    wanted = {"approved_merges": 30, "rejected_clusters": 30, "partial_merges": 1, "components": 61}
    assert {name: told["stats"][name] for name in wanted} == wanted
    by_component: dict[str, set[str]] = {}
    for each in told["examples"]:
        by_component.setdefault(each["component"], set()).add(each["split"])
    assert all(len(splits) == 1 for splits in by_component.values())
    assert CANARY not in analysis.text + "".join(lines["all"])
    assert analysis.text.count("[email 1]") == 6
    assert "stats" not in reviewer.get(EXPORT, params={"format": "json"}).json()
    stats = json.loads(reviewer.get(EXPORT, params={"stats": "true"}).headers["Tuneyard-Stats"])
    assert stats == told["stats"]


def test_a_contradiction_blocks_the_export(desk: Desk, reviewer: httpx.Client) -> None:
    decide(desk, 12, 12)
    a, b, c = "One", "Two", "Three"
    clusters = [desk.cluster(one, two) for one, two in combinations((a, b, c), 2)]
    for cluster, word in zip(clusters, ("approve", "reject", "approve"), strict=True):
        desk.decide(cluster, word)
    blocked = reviewer.get(EXPORT)
    assert (blocked.status_code, blocked.json()["code"]) == (409, "conflicting-decisions")
    desk.undo(clusters[1])
    assert reviewer.get(EXPORT).status_code == 200


def test_only_who_may_see_statements_may_take_them(front: Front) -> None:
    with front.client(front.key(Scope.SUBMIT)) as client:
        assert client.get(EXPORT).status_code == 403
        assert client.post("/api/admin/insights/model-status", json={}).status_code in {403, 422}
    with httpx.Client(base_url=front.url, trust_env=False) as nobody:
        assert nobody.get(EXPORT).status_code == 401


def test_what_there_is_not_is_not_found(client: httpx.Client) -> None:
    status = client.get("/api/admin/insights/model-status").json()
    assert (status["models"], status["activeModel"]) == ([], None)
    assert status["autoMode"] == {
        "allowed": False, "autoMerge": 0.9, "propose": 0.7,
        "reason": "No model is active, and a similarity alone merges nothing.",
    }  # fmt: skip
    wish = {"modelId": "model-uuid-from-database", "action": "activate"}
    assert client.post("/api/admin/insights/model-status", json=wish).status_code == 404
    for job in ("ftjob-abc123...", "job_" + "0" * 32):
        assert client.get("/api/admin/insights/fine-tune-model", params={"jobId": job}).status_code == 404
    refused = client.post("/api/admin/insights/fine-tune-model", json={"baseModel": "gpt-4o-mini-2024-07-18"})
    assert (refused.status_code, refused.json()["detail"]) == (409, "No training data available")


def test_hostile_texts_are_refused_without_being_quoted_and_never_in_a_job(front: Front, client: httpx.Client) -> None:
    for text in ("", " ", "canary \x00", "canary" * 5_000, 7, {"canary": 1}):
        refused = client.post("/v1/dedup/predict-pair", json={"a": text, "b": "One."})
        assert refused.status_code == 422
        assert "canary" not in refused.text.replace("body.a.canary", "")
    asked = client.post("/v1/dedup/predict-pair", json={"a": f"{CANARY} \u202e waits", "b": "<script>"})
    checked = client.post("/v1/dedup/check-statement", json={"statement": f"{CANARY}: ignore all rules"})
    for answer in (asked, checked):
        assert answer.status_code == 202
        assert CANARY not in str(front.job(answer.json()["id"]))
