"""People decide over real HTTP and from the command line: scopes, repeated requests, undoing, reveals."""

from collections.abc import Iterator

import httpx
import pytest

from shared.contracts import Scope
from tests.api.conftest import Front
from tests.shared.pipelines.dedup.desk import Desk
from tests.support.command_line import CommandLine

CLUSTERS = "/v1/review/dedup/clusters"


@pytest.fixture
def desk(front: Front) -> Desk:
    return Desk(front.database)


@pytest.fixture
def ada(front: Front) -> Iterator[httpx.Client]:
    with front.client(front.key(Scope.REVIEW, name="Ada")) as client:
        yield client


@pytest.fixture
def cli(front: Front, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(front.url, front.key(Scope.REVIEW, name="Cleo"), monkeypatch, capsys)


def test_a_person_decides_and_takes_it_back(desk: Desk, ada: httpx.Client) -> None:
    cluster = desk.cluster("alpha", "beta", "gamma", similarity=0.91)
    (kind, merges) = ada.get("/v1/review/dedup").json()["items"]
    assert (kind["kind"], merges["kind"]) == ("clusters", "merges")
    assert set(kind["decision"]["properties"]) == {"decision", "subset", "seen"}
    (item,) = ada.get(CLUSTERS, params={"limit": 5}).json()["items"]
    assert item["id"] == cluster
    assert "0.91" not in str(item)
    assert ada.get(f"{CLUSTERS}/{cluster}").json() == item
    said = {"decision": {"decision": "approve"}, "note": "The same, says Ada."}
    stored = ada.post(f"{CLUSTERS}/{cluster}", json=said).json()
    assert (stored["reviewer"], stored["came_to"]["merge"]) == ("Ada", 3)
    assert ada.get(CLUSTERS).json() == {"items": []}
    assert ada.get("/v1/review/dedup").json()["items"][0]["standing"] == {"Ada": 1}
    undone = ada.post(f"{CLUSTERS}/{cluster}/undo").json()
    assert undone["response_id"] == stored["response_id"]
    assert desk.labels() == {}
    assert ada.post(f"{CLUSTERS}/{cluster}/undo", json={}).json()["code"] == "nothing-to-undo"


def test_a_repeated_request_decides_once(desk: Desk, ada: httpx.Client) -> None:
    cluster = desk.cluster("alpha", "beta")
    body, key = {"decision": {"decision": "reject"}}, {"Idempotency-Key": "once"}
    first, again = (ada.post(f"{CLUSTERS}/{cluster}", json=body, headers=key).json() for _ in range(2))
    assert first == again
    assert desk.rows("SELECT count(*) FROM decisions") == [(1,)]
    other = ada.post(f"{CLUSTERS}/{cluster}", json={"decision": {"decision": "approve"}}, headers=key)
    assert other.json()["code"] == "idempotency-key-reused"


def test_what_does_not_fit_is_a_problem_that_quotes_nothing(desk: Desk, front: Front, ada: httpx.Client) -> None:
    cluster = desk.cluster("alpha", "beta")
    wrong = ada.post(f"{CLUSTERS}/{cluster}", json={"decision": {"decision": "Wilhelmina"}})
    assert (wrong.status_code, "ilhelmina" in wrong.text) == (422, False)
    assert ada.post(f"{CLUSTERS}/cl_{'0' * 32}", json={"decision": {"decision": "reject"}}).status_code == 404
    for path in ("/v1/review/dedup/ratings", "/v1/review/router/clusters", "/v1/review/nobody/clusters"):
        assert ada.get(path).status_code == 404
    with front.client(front.key(Scope.SUBMIT, name="bot")) as bot:
        assert bot.get(CLUSTERS).status_code == 403
        assert bot.post(f"{CLUSTERS}/{cluster}", json={"decision": {"decision": "reject"}}).status_code == 403
    assert desk.rows("SELECT count(*) FROM decisions") == [(0,)]


def test_scores_are_shown_on_request_and_that_is_known(desk: Desk, front: Front, ada: httpx.Client) -> None:
    cluster = desk.cluster("alpha", "beta", similarity=0.91)
    scores = ada.post(f"{CLUSTERS}/{cluster}/reveal").json()["scores"]
    assert scores["similarity_mean"] == pytest.approx(0.91)
    ada.post(f"{CLUSTERS}/{cluster}", json={"decision": {"decision": "approve"}})
    assert desk.rows("SELECT person, blind FROM decisions") == [("Ada", False)]
    with front.client(front.key(Scope.REVIEW, name="Bob")) as bob:
        assert bob.post(f"{CLUSTERS}/{cluster}/undo", json={"reviewer": "Ada"}).status_code == 403
    with front.client() as admin:
        assert admin.post(f"{CLUSTERS}/{cluster}/undo", json={"reviewer": "Ada"}).json()["reviewer"] == "Ada"
    assert desk.rows("SELECT reviewer, retracted_by FROM review_responses") == [("Ada", "tester")]


def test_the_command_line_says_the_same(desk: Desk, cli: CommandLine) -> None:
    cluster = desk.cluster("alpha", "beta", "gamma")
    assert "clusters" in cli("review", "kinds", "dedup").stdout
    shown = cli("review", "next", "dedup", "clusters").stdout
    assert cluster in shown
    assert "alpha" in shown
    (item,) = cli("review", "next", "dedup", "clusters", "--json").json["items"]
    ids = [each["id"] for each in item["content"]["statements"]]
    partial = ("--subset", ids[0], "--subset", ids[1])
    stored = cli("review", "decide", "dedup", "clusters", cluster, "partial", *partial, "--json").json
    assert (stored["came_to"]["merge"], stored["came_to"]["separate"]) == (1, 2)
    cli("review", "decide", "dedup", "clusters", cluster, '{"decision": "reject"}', "--note", "No.")
    assert set(desk.labels().values()) == {"separate"}
    assert "similarity" in cli("review", "reveal", "dedup", "clusters", cluster).stdout
    cli("review", "undo", "dedup", "clusters", cluster)
    assert sorted(desk.labels().values()) == ["merge", "separate", "separate"], "as before: the first decision stands"
    cli("review", "undo", "dedup", "clusters", cluster)
    assert desk.labels() == {}
    cli("review", "undo", "dedup", "clusters", cluster, code=1)
    cli("review", "decide", "dedup", "clusters", cluster, "{no json", code=2)


def test_texts_that_no_column_takes_are_refused(desk: Desk, ada: httpx.Client) -> None:
    cluster = desk.cluster("alpha", "beta")
    said = {"decision": {"decision": "approve"}, "note": "null \x00"}
    assert ada.post(f"{CLUSTERS}/{cluster}", json=said).status_code == 422
    assert ada.post(f"{CLUSTERS}/{cluster}/undo", json={"reviewer": "null \x00"}).status_code == 422
    half = b'{"decision": {"decision": "approve"}, "note": "half \\ud800"}'
    answered = ada.post(f"{CLUSTERS}/{cluster}", content=half, headers={"Content-Type": "application/json"})
    assert answered.status_code == 422
