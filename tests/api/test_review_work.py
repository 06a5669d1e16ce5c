"""Skips, reworks, assignments, checks and progress over real HTTP and from the command line."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from shared.contracts import Scope
from tests.api.conftest import Front
from tests.shared.pipelines.dedup.desk import Desk
from tests.support.command_line import CommandLine

CLUSTERS = "/v1/review/dedup/clusters"
UNKNOWN = f"cl_{'0' * 32}"


@pytest.fixture
def desk(front: Front) -> Desk:
    return Desk(front.database)


@pytest.fixture
def ada(front: Front) -> Iterator[httpx.Client]:
    with front.client(front.key(Scope.REVIEW, name="Ada")) as client:
        yield client


@pytest.fixture
def bob(front: Front) -> Iterator[httpx.Client]:
    with front.client(front.key(Scope.REVIEW, name="Bob")) as client:
        yield client


@pytest.fixture
def cli(front: Front, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(front.url, front.key(Scope.REVIEW, name="Cleo"), monkeypatch, capsys)


def _next(client: httpx.Client) -> list[str]:
    return [item["id"] for item in client.get(CLUSTERS).json()["items"]]


def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_person_skips_and_takes_it_back(desk: Desk, ada: httpx.Client, bob: httpx.Client) -> None:
    one, other = desk.cluster("a", "b", probability=0.5), desk.cluster("c", "d", probability=0.9)
    assert ada.post(f"{CLUSTERS}/{one}/skip").json() == {"item": one, "reviewer": "Ada"}
    assert (_next(ada), _next(bob)) == ([other], [one, other])
    assert ada.post(f"{CLUSTERS}/{one}/unskip").status_code == 200
    assert _code(ada.post(f"{CLUSTERS}/{one}/unskip")) == (409, "nothing-to-undo")
    assert _next(ada) == [one, other]
    assert ada.post(f"{CLUSTERS}/{UNKNOWN}/skip").status_code == 404


def test_what_needs_rework_is_listed_until_it_is_put_back(desk: Desk, ada: httpx.Client, bob: httpx.Client) -> None:
    one, other = desk.cluster("a", "b"), desk.cluster("c", "d")
    key, body = {"Idempotency-Key": "once"}, {"reason": "The statements are cut off."}
    first, again = (ada.post(f"{CLUSTERS}/{one}/rework", json=body, headers=key).json() for _ in range(2))
    assert first == again
    assert _code(bob.post(f"{CLUSTERS}/{one}/rework", json=body)) == (409, "needs-rework")
    assert _code(bob.post(f"{CLUSTERS}/{one}", json={"decision": {"decision": "approve"}})) == (409, "needs-rework")
    bob.post(f"{CLUSTERS}/{other}/rework", json={"reason": "Later."})
    page = bob.get(f"{CLUSTERS}/reworks", params={"limit": 1}).json()
    assert [each["item"] for each in page["items"]] == [other]
    (listed,) = bob.get(f"{CLUSTERS}/reworks", params={"cursor": page["next_cursor"]}).json()["items"]
    assert (listed["id"], listed["item"], listed["reviewer"], listed["reason"]) == (
        first["id"], one, "Ada", body["reason"],
    )  # fmt: skip
    assert _next(ada) == []
    key = {"Idempotency-Key": "back"}
    back, again = (bob.post(f"{CLUSTERS}/{one}/put-back", headers=key).json() for _ in range(2))
    assert back == again == first
    assert _code(ada.post(f"{CLUSTERS}/{one}/put-back")) == (409, "not-in-rework")
    assert _next(ada) == [one]
    for reason in ("", " ", "x" * 501, "null \x00"):
        refused = ada.post(f"{CLUSTERS}/{one}/rework", json={"reason": reason})
        assert (refused.status_code, "xxx" in refused.text) == (422, False)


def test_people_take_items_and_administrators_give_them(
    front: Front, desk: Desk, ada: httpx.Client, bob: httpx.Client
) -> None:  # fmt: skip
    one, two, three = (desk.cluster("a", name, probability=odds) for name, odds in (("b", 0.5), ("c", 0.8), ("d", 1)))
    key = {"Idempotency-Key": "mine"}
    taken, again = (ada.post(f"{CLUSTERS}/assign", json={"count": 1}, headers=key).json() for _ in range(2))
    assert taken == again == {"reviewer": "Ada", "items": [one]}, "sent twice, one item is taken"
    assert _next(bob) == [two, three]
    assert [item["assigned_to"] for item in ada.get(CLUSTERS).json()["items"]] == ["Ada", None, None]
    assert _code(bob.post(f"{CLUSTERS}/{one}/assign")) == (409, "assigned-to-another")
    assert _code(bob.post(f"{CLUSTERS}/{one}/release")) == (409, "assigned-to-another")
    for path in (f"{three}/assign", "assign", "release"):
        answer = bob.post(f"{CLUSTERS}/{path}", json={"reviewer": "Ada"} | ({"count": 1} if path == "assign" else {}))
        assert _code(answer) == (403, "forbidden"), path
    assert bob.post(f"{CLUSTERS}/{three}/assign").json() == {"reviewer": "Bob", "items": [three]}
    with front.client() as admin:
        assert _code(admin.post(f"{CLUSTERS}/{one}/assign", json={"reviewer": "Nobody"})) == (422, "no-such-reviewer")
        admin.post(f"{CLUSTERS}/{one}/assign", json={"reviewer": "Bob"})
        assert (_next(ada), _next(bob)) == ([two], [three, one, two])
        counted = admin.get(f"{CLUSTERS}/assignments").json()
        assert counted == {"items": [{"reviewer": "Bob", "items": 2}]}
        assert admin.post(f"{CLUSTERS}/release", json={"reviewer": "Bob"}).json() == {"items": 2}
    assert len(_next(ada)) == 3


def test_one_request_that_is_sent_several_times_at_the_same_moment_counts_once(desk: Desk, ada: httpx.Client) -> None:
    for name in "bcdefg":
        desk.cluster("a", name)

    def take(key: str) -> str:
        (item,) = ada.post(f"{CLUSTERS}/assign", json={"count": 1}, headers={"Idempotency-Key": key}).json()["items"]
        return str(item)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(take, ["one", "one", "one", "two", "two", "two"]))
    assert len(set(answers)) == 2
    assert ada.get(f"{CLUSTERS}/assignments").json()["items"] == [{"reviewer": "Ada", "items": 2}]


def test_a_decision_is_checked_while_it_is_written(desk: Desk, ada: httpx.Client) -> None:
    cluster = desk.cluster("a", "b")

    def check(decision: object, item: str = cluster) -> httpx.Response:
        return ada.post(f"{CLUSTERS}/{item}/check", json={"decision": decision})

    assert check({"decision": "approve"}).json() == {"faults": []}
    faults = check({"decision": "Wilhelmina", "Wilhelmina": 1}).json()["faults"]
    assert [fault["field"] for fault in faults] == ["decision", ""]
    assert "Wilhelmina" not in str(faults)
    assert check({"decision": "approve"}, UNKNOWN).status_code == 404
    assert desk.rows("SELECT count(*) FROM review_responses") == [(0,)]


def test_progress_and_an_undo_that_is_sent_twice(desk: Desk, ada: httpx.Client) -> None:
    cluster = desk.cluster("a", "b")
    first, second = (
        ada.post(f"{CLUSTERS}/{cluster}", json={"decision": {"decision": word}}).json()
        for word in ("approve", "reject")
    )
    assert ada.get(f"{CLUSTERS}/progress").json() == {
        "mine_today": 1, "mine_total": 1, "per_hour": None, "waiting": 0, "waiting_is_capped": False,
    }  # fmt: skip
    body = {"response_id": second["response_id"]}
    undone = ada.post(f"{CLUSTERS}/{cluster}/undo", json=body).json()
    assert (undone["response_id"], undone["restored"]) == (second["response_id"], first["response_id"])
    assert _code(ada.post(f"{CLUSTERS}/{cluster}/undo", json=body)) == (409, "nothing-to-undo")
    assert set(desk.labels().values()) == {"merge"}


def test_only_reviewers_may(front: Front, desk: Desk) -> None:
    cluster = desk.cluster("a", "b")
    with front.client(front.key(Scope.SUBMIT, name="bot")) as bot:
        for path in ("reworks", "assignments", "progress"):
            assert bot.get(f"{CLUSTERS}/{path}").status_code == 403, path
        for path in ("skip", "unskip", "rework", "put-back", "assign", "release", "check"):
            assert bot.post(f"{CLUSTERS}/{cluster}/{path}", json={}).status_code == 403, path
        for path in ("assign", "release"):
            assert bot.post(f"{CLUSTERS}/{path}", json={"count": 1}).status_code == 403, path
    for table in ("review_skips", "review_reworks", "review_assignments"):
        assert desk.rows(f"SELECT count(*) FROM {table}") == [(0,)]


def test_the_command_line_does_the_same(desk: Desk, cli: CommandLine) -> None:
    one, other = desk.cluster("a", "b", probability=0.5), desk.cluster("c", "d", probability=0.9)
    clusters = ("dedup", "clusters")
    cli("review", "skip", *clusters, one)
    assert [item["id"] for item in cli("review", "next", *clusters, "--limit", "5", "--json").json["items"]] == [other]
    cli("review", "skip", *clusters, one, "--undo")
    cli("review", "rework", *clusters, other, "It is cut off.")
    listed = cli("review", "reworks", *clusters).stdout
    assert (other in listed, "It is cut off." in listed) == (True, True)
    cli("review", "put-back", *clusters, other)
    assert cli("review", "assign", *clusters, "--count", "1", "--json").json["items"] == [one]
    assert cli("review", "assign", *clusters, other, "--json").json["items"] == [other]
    cli("review", "assign", *clusters, code=2)
    cli("review", "release", *clusters, other)
    assert cli("review", "release", *clusters, "--all", "--json").json == {"items": 1}
    assert cli("review", "progress", *clusters, "--json").json["waiting"] == 2
