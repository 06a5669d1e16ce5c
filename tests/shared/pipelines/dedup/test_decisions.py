"""People decide on clusters: labels, conflicts, undoing and several people, by the real loop and database."""

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.pipelines.dedup.contracts import insight_id
from shared.pipelines.dedup.policy import policy
from tests.shared.pipelines.dedup.desk import Desk

ABC = ("alpha", "beta", "gamma")


def both(a: str, b: str) -> frozenset[str]:
    return frozenset((a, b))


def test_an_approved_cluster_is_labels_and_one_canonical_insight(desk: Desk) -> None:
    cluster = desk.cluster(*ABC)
    came_to = desk.decide(cluster, "approve")
    assert (came_to["merge"], came_to["separate"], came_to["conflicts"], came_to["decided"]) == (3, 0, 0, True)
    assert desk.labels() == {both(a, b): "merge" for a, b in combinations(ABC, 2)}
    assert desk.merged() == {"beta": "alpha", "gamma": "alpha"}, "all are kept; the first one stands for them"
    provenance = desk.rows(
        "SELECT DISTINCT p.cluster_id, p.person, d.decision, p.decision_id = d.id FROM pairs p, decisions d"
    )
    assert provenance == [(cluster, "Ada", "approve", True)]
    ((component, group),) = desk.rows(
        'SELECT DISTINCT p.component, e."group" FROM pairs p JOIN dedup_examples e USING (id)'
    )
    assert component == group == min(map(insight_id, ABC))
    assert desk.rows("SELECT DISTINCT label, source, labelled_by FROM example_origins") == [
        ("merge", "decision", "Ada")
    ]


def test_a_partial_decision_leaves_the_rest_open(desk: Desk) -> None:
    cluster = desk.cluster(*ABC, "delta")
    desk.decide(cluster, "partial", "alpha", "beta")
    labels = desk.labels()
    assert labels.pop(both("alpha", "beta")) == "merge"
    assert set(labels) == {both(a, b) for a in ("alpha", "beta") for b in ("gamma", "delta")}
    assert set(labels.values()) == {"separate"}
    assert desk.merged() == {"beta": "alpha"}


def test_undo_leaves_nothing_behind(desk: Desk) -> None:
    cluster = desk.cluster(*ABC)
    desk.decide(cluster, "approve")
    came_to = desk.undo(cluster)
    assert (came_to["merge"], came_to["decided"]) == (0, False)
    assert desk.labels() == {}
    assert desk.merged() == {}
    assert desk.rows("SELECT count(*) FROM pair_votes") == [(0,)]
    assert desk.rows("SELECT decision, retracted_at IS NOT NULL FROM decisions") == [("approve", True)]
    assert [item.id for item in desk.waiting()] == [cluster]
    with pytest.raises(ConflictError, match="no decision of Ada"):
        desk.undo(cluster)
    desk.decide(cluster, "reject")
    assert set(desk.labels().values()) == {"separate"}


def test_another_decision_of_the_same_person_replaces_the_first(desk: Desk) -> None:
    cluster = desk.cluster(*ABC)
    desk.decide(cluster, "approve")
    desk.decide(cluster, "reject")
    assert set(desk.labels().values()) == {"separate"}
    assert desk.merged() == {}
    assert desk.rows("SELECT count(*), count(retracted_at) FROM decisions") == [(2, 1)]


def test_a_contradiction_is_found_at_once_and_is_no_example(desk: Desk) -> None:
    first, second, third = desk.cluster("alpha", "beta"), desk.cluster("beta", "gamma"), desk.cluster("alpha", "gamma")
    other = desk.cluster("x", "y")
    for cluster in (first, second, other):
        desk.decide(cluster, "approve")
    came_to = desk.decide(third, "reject")
    assert came_to["conflicts"] == 1
    (conflict,) = came_to["conflict_list"]
    ids = {name: insight_id(name) for name in ABC}
    assert {conflict["a"], conflict["b"]} == {ids["alpha"], ids["gamma"]}
    assert conflict["chain"][1] == ids["beta"]
    assert desk.rows("SELECT count(*) FROM pairs WHERE conflict") == [(3,)]
    assert desk.rows("SELECT count(*) FROM pair_conflicts") == [(1,)]
    assert desk.rows("SELECT input ->> 'a' IN ('x', 'y') FROM dedup_examples") == [(True,)]
    assert desk.merged() == {"y": "x"}, "what is contradicted merges nothing"
    assert desk.undo(first)["conflicts"] == 0
    assert desk.rows("SELECT count(*) FROM pair_conflicts") == [(0,)]
    assert desk.rows("SELECT count(*) FROM dedup_examples") == [(3,)]
    assert desk.merged() == {"gamma": "beta", "y": "x"}


def test_conflicts_and_disagreements_are_listed_with_who_said_what(desk: Desk) -> None:
    assert desk.run("conflicts")["sentence"].endswith("nothing blocks the export.")
    for statements, decision, by in (
        (("alpha", "beta"), "approve", "Ada"), (("beta", "gamma"), "approve", "Bob"),
        (("alpha", "gamma"), "reject", "Cleo"), (("x", "y"), "approve", "Ada"), (("y", "x"), "reject", "Dan"),
    ):  # fmt: skip
        desk.decide(desk.cluster(*statements), decision, by=by)
    found = desk.run("conflicts")
    assert (found["conflicts"], found["disagreements"]) == (1, 1)
    assert "block the export" in found["sentence"]
    (conflict,), (disagreement,) = found["conflict_list"], found["disagreement_list"]
    assert (conflict["said"][0]["person"], conflict["said"][0]["label"]) == ("Cleo", "separate")
    assert {each["person"] for each in conflict["said"]} == {"Ada", "Bob", "Cleo"}
    assert {(each["person"], each["label"]) for each in disagreement["said"]} == {("Ada", "merge"), ("Dan", "separate")}
    assert "alpha" not in str(found)


def test_components_join_and_part_again(desk: Desk) -> None:
    left, right, bridge = desk.cluster("alpha", "beta"), desk.cluster("gamma", "delta"), desk.cluster("beta", "gamma")
    desk.decide(left, "approve")
    desk.decide(right, "reject")
    assert desk.rows("SELECT count(DISTINCT component) FROM pairs") == [(2,)]
    desk.decide(bridge, "reject")
    assert desk.rows("SELECT count(DISTINCT component) FROM pairs") == [(1,)]
    desk.undo(bridge)
    assert desk.rows("SELECT count(DISTINCT component) FROM pairs") == [(2,)]


@pytest.fixture
def three_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let three people be asked about each cluster."""
    rules = policy()
    asked = rules.model_copy(update={"review": rules.review.model_copy(update={"min_responses": 3})})
    for module in ("deciding", "review"):
        monkeypatch.setattr(f"shared.pipelines.dedup.{module}.policy", lambda: asked)


@pytest.mark.usefixtures("three_people")
def test_several_people_are_asked_and_disagreement_is_kept(desk: Desk) -> None:
    cluster = desk.cluster(*ABC)
    assert desk.decide(cluster, "approve", by="Ada")["decided"] is False
    assert [item.id for item in desk.waiting(by="Ada")] == []
    assert [item.id for item in desk.waiting(by="Bob")] == [cluster]
    desk.decide(cluster, "reject", by="Bob")
    assert desk.labels() == {}
    came_to = desk.decide(cluster, "partial", "alpha", "beta", by="Cleo")
    assert (came_to["decided"], came_to["merge"], came_to["separate"], came_to["disagreed"]) == (True, 1, 2, 0)
    assert desk.labels()[both("alpha", "beta")] == "merge"
    desk.undo(cluster, by="Cleo")
    came_to = desk.decide(cluster, "partial", "alpha", "gamma", by="Cleo")
    assert desk.labels()[both("alpha", "gamma")] == "merge"
    assert desk.rows("SELECT count(*) FROM pair_votes") == [(9,)], "what each of them said is kept"
    standing = desk.rows("SELECT person FROM decisions WHERE retracted_at IS NULL ORDER BY at")
    assert standing == [("Ada",), ("Bob",), ("Cleo",)]


def test_opposite_labels_of_two_clusters_are_a_disagreement(desk: Desk) -> None:
    one, other = desk.cluster("alpha", "beta"), desk.cluster("beta", "alpha")
    desk.decide(one, "approve")
    came_to = desk.decide(other, "reject", by="Bob")
    assert (came_to["merge"], came_to["separate"], came_to["disagreed"]) == (0, 0, 1)
    assert desk.labels() == {}


def test_the_most_uncertain_come_first_and_classes_by_turns(desk: Desk) -> None:
    sure = desk.cluster("a", "b", probability=0.99)
    likely = desk.cluster("c", "d", probability=0.6)
    unlikely = desk.cluster("e", "f", probability=0.3)
    far = desk.cluster("g", "h", probability=0.05)
    close, apart = desk.cluster("i", "j", similarity=0.851), desk.cluster("k", "l", similarity=0.7)
    order = [item.id for item in desk.waiting()]
    assert [order[::2], order[1::2]] == [[close, likely, sure], [unlikely, far, apart]]
    assert [item.id for item in desk.waiting(1)] == [close]
    desk.decide(close, "approve")
    assert [item.id for item in desk.waiting(2)] == [unlikely, likely], "what was labelled less often goes first"


def test_decided_pairs_and_retired_clusters_are_not_served(desk: Desk) -> None:
    desk.decide(desk.cluster(*ABC), "reject")
    subset = desk.cluster("gamma", "alpha")
    more = desk.cluster("gamma", "alpha", "epsilon")
    assert [item.id for item in desk.waiting()] == [more]
    desk.change("UPDATE clusters SET state = 'retired' WHERE id = %s", more)
    assert desk.waiting() == []
    with pytest.raises(ConflictError, match="is no more"):
        desk.decide(more, "approve")
    assert desk.decide(subset, "reject", by="Bob")["separate"] == 1


def test_nobody_decides_about_what_they_have_not_seen(desk: Desk) -> None:
    cluster = desk.cluster(*ABC)
    with pytest.raises(ConflictError, match="other insights by now"):
        desk.decide(cluster, "approve", seen=ABC[:2])
    assert desk.labels() == {}
    desk.decide(cluster, "approve", seen=ABC)
    assert len(desk.labels()) == 3


def test_items_are_blind_until_somebody_asks(desk: Desk) -> None:
    cluster = desk.cluster("alpha", "beta", similarity=0.93, probability=0.97)
    (item,) = desk.waiting()
    assert [set(each) for each in item.content["statements"]] == [{"id", "statement", "sources"}] * 2
    assert "0.9" not in str(item)
    desk.decide(cluster, "approve")
    scores = desk.reveal(cluster, by="Bob")
    assert (scores["similarity_mean"], scores["merge_probability"]) == (pytest.approx(0.93), pytest.approx(0.97))
    desk.reveal(cluster, by="Bob")
    assert desk.rows("SELECT reviewer FROM review_reveals") == [("Bob",)]
    desk.decide(cluster, "reject", by="Bob")
    assert desk.rows("SELECT person, blind FROM decisions ORDER BY person") == [("Ada", True), ("Bob", False)]


def test_decisions_that_do_not_fit_change_nothing(desk: Desk) -> None:
    cluster = desk.cluster(*ABC)
    with pytest.raises(InvalidInputError, match="not in the cluster"):
        desk.decide(cluster, "partial", "alpha", "omega")
    with pytest.raises(InvalidInputError, match="whole cluster"):
        desk.decide(cluster, "partial", *ABC)
    with pytest.raises(InvalidInputError, match="no decision about clusters") as raised:
        desk.decide(cluster, "sure, says alpha")
    assert "says alpha" not in str(raised.value)
    with pytest.raises(NotFoundError):
        desk.decide("cl_" + "0" * 32, "approve")
    with pytest.raises(NotFoundError):
        desk.reveal("cl_" + "0" * 32)
    with pytest.raises(NotFoundError, match="asks people about no ratings"):
        desk.waiting(kind="ratings")
    assert desk.rows("SELECT count(*) FROM review_responses") == [(0,)]


def test_people_who_decide_at_once_are_all_heard(desk: Desk) -> None:
    names = [f"s{n}" for n in range(12)]
    clusters = [desk.cluster(a, b) for a, b in pairwise(names)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda cluster: desk.decide(cluster, "approve", by="Ada"), clusters))
        list(pool.map(lambda by: desk.decide(clusters[0], "approve", by=by), ["Bob", "Cleo", "Dan", "Eve"]))
    assert desk.rows("SELECT count(*), count(DISTINCT component), bool_or(conflict) FROM pairs") == [(11, 1, False)]
    assert set(desk.merged().values()) == {"s0"}
    assert desk.rows("SELECT count(*) FROM pair_votes WHERE item_id = %s", clusters[0]) == [(5,)]


STATE = "SELECT a, b, label, component, conflict FROM pairs ORDER BY a, b"
MERGED = "SELECT id, merged_into FROM insights ORDER BY id"
CONFLICTS = "SELECT a, b, chain, component FROM pair_conflicts ORDER BY a, b"


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_whatever_is_undone_never_happened(desk: Desk, dice: random.Random) -> None:
    """The same decisions stand in the end: the same labels, whatever came between and in whichever order."""
    desk.change("TRUNCATE insights, clusters, review_responses CASCADE")
    names = [f"s{n}" for n in range(6)]
    samples = {tuple(dice.sample(names, dice.randint(2, 4))) for _ in range(4)}
    clusters = {desk.cluster(*some): some for some in sorted(samples)}

    def any_decision(cluster: str) -> tuple[str, ...]:
        members = clusters[cluster]
        if len(members) > 2 and dice.random() < 0.4:
            return ("partial", *dice.sample(members, dice.randint(2, len(members) - 1)))
        return (dice.choice(["approve", "reject"]),)

    kept = {cluster: any_decision(cluster) for cluster in clusters if dice.random() < 0.7}
    for cluster in clusters:
        desk.decide(cluster, *any_decision(cluster))
    for cluster in clusters:
        if cluster in kept:
            desk.decide(cluster, *kept[cluster])
        else:
            desk.undo(cluster)
    after: list[Any] = [desk.rows(query) for query in (STATE, MERGED, CONFLICTS)]
    desk.change("TRUNCATE review_responses, pair_votes, pairs, pair_conflicts CASCADE")
    desk.change("UPDATE insights SET merged_into = NULL")
    for cluster in dice.sample(sorted(kept), len(kept)):
        desk.decide(cluster, *kept[cluster])
    assert [desk.rows(query) for query in (STATE, MERGED, CONFLICTS)] == after
