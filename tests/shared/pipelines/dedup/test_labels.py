"""What decisions mean for pairs, for any cluster, any decision and any set of labels."""

from collections.abc import Mapping
from itertools import combinations, pairwise, product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.pipelines.dedup.contracts import ClusterDecision, PairLabel, pair_id
from shared.pipelines.dedup.labels import MERGE, SEPARATE, Pair, agreed, expand, in_order, structure

IDS = [f"ins_{n:032x}" for n in range(9)]
members = st.lists(st.sampled_from(IDS), min_size=2, max_size=8, unique=True)
labels = st.dictionaries(
    st.sampled_from(list(combinations(IDS, 2))), st.sampled_from(get_args(PairLabel)), max_size=20
)  # fmt: skip


def pairs_of(ids: list[str]) -> set[Pair]:
    return {in_order(a, b) for a, b in combinations(ids, 2)}


@given(members)
def test_approve_merges_all_pairs_and_reject_parts_them(ids: list[str]) -> None:
    assert expand(ids, ClusterDecision(decision="approve")) == dict.fromkeys(pairs_of(ids), MERGE)
    assert expand(ids, ClusterDecision(decision="reject")) == dict.fromkeys(pairs_of(ids), SEPARATE)


@given(members.filter(lambda ids: len(ids) > 2), st.data())
def test_partial_merges_the_subset_and_says_nothing_of_the_rest(ids: list[str], data: st.DataObject) -> None:
    subset = data.draw(st.lists(st.sampled_from(ids), min_size=2, max_size=len(ids) - 1, unique=True))
    rest = [each for each in ids if each not in subset]
    said = expand(ids, ClusterDecision(decision="partial", subset=tuple(subset)))
    assert {pair for pair, label in said.items() if label == MERGE} == pairs_of(subset)
    between = {in_order(a, b) for a, b in product(subset, rest)}
    assert {pair for pair, label in said.items() if label == SEPARATE} == between
    assert not said.keys() & pairs_of(rest)


@given(members, st.sampled_from(["approve", "reject"]))
def test_a_decision_never_contradicts_itself(ids: list[str], word: str) -> None:
    found = structure(expand(ids, ClusterDecision.model_validate({"decision": word})))
    assert not found.contradictions
    assert set(found.component.values()) == {min(ids)}
    assert found.groups == ((tuple(sorted(ids)),) if word == "approve" else ())


@pytest.mark.parametrize(
    "decision",
    [
        {"decision": "partial"},
        {"decision": "approve", "subset": IDS[:2]},
        {"decision": "partial", "subset": IDS[:1]},
        {"decision": "partial", "subset": [IDS[0], IDS[0]]},
        {"decision": "maybe"},
        {"decision": "approve", "force": True},
    ],
)
def test_half_a_decision_is_none(decision: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ClusterDecision.model_validate(decision)


def reachable(start: str, links: set[Pair]) -> set[str]:
    """The plainest search there is: what transitivity means."""
    found, before = {start}, set[str]()
    while found != before:
        before = set(found)
        found |= {each for pair in links if found & set(pair) for each in pair}
    return found


@given(labels)
def test_contradictions_are_those_that_transitivity_says(said: Mapping[Pair, PairLabel]) -> None:
    found = structure(said)
    merges = {pair for pair, label in said.items() if label == MERGE}
    expected = {
        pair for pair, label in said.items() if label == SEPARATE and pair[1] in reachable(pair[0], merges)
    }  # fmt: skip
    assert {(each.a, each.b) for each in found.contradictions} == expected
    for each in found.contradictions:
        assert (each.chain[0], each.chain[-1]) == (each.a, each.b)
        assert {in_order(*link) for link in pairwise(each.chain)} <= merges
    sound = merges - found.contradicted
    for a, b in expected:
        assert b not in reachable(a, sound), "no chain is left that contradicts"
    assert bool(found.contradicted) == bool(expected)
    for group in found.groups:
        assert reachable(group[0], sound) == set(group)


@given(labels)
def test_components_connect_all_that_labels_connect(said: Mapping[Pair, PairLabel]) -> None:
    found = structure(said)
    for each in {each for pair in said for each in pair}:
        assert found.component[each] == min(reachable(each, set(said)))


@given(labels, st.randoms(use_true_random=False))
def test_the_order_of_labels_does_not_matter(said: Mapping[Pair, PairLabel], random: object) -> None:
    shuffled = list(said.items())
    getattr(random, "shuffle")(shuffled)  # noqa: B009
    assert structure(dict(shuffled)) == structure(said)


@given(labels, st.lists(st.sampled_from(list(combinations(IDS, 2))), max_size=5))
def test_a_models_merges_never_join_what_people_part(said: Mapping[Pair, PairLabel], also: list[Pair]) -> None:
    found, without = structure(said, also), structure(said)
    assert (found.contradictions, found.component) == (without.contradictions, without.component)
    for group in found.groups:
        for pair in pairs_of(list(group)):
            assert said.get(pair) != SEPARATE


@given(st.lists(st.sampled_from(get_args(PairLabel)), max_size=7), st.integers(1, 4), st.floats(0.51, 1))
def test_people_agree_or_there_is_no_label(votes: list[PairLabel], least: int, share: float) -> None:
    found = agreed(votes, min_responses=least, min_agreement=share)
    if len(votes) < least:
        assert found is None
    for label in get_args(PairLabel):
        enough = len(votes) >= least and votes.count(label) >= share * len(votes) > 0
        assert (found == label) == enough


def test_a_pair_has_one_id_whichever_comes_first() -> None:
    assert pair_id(IDS[0], IDS[1]) == pair_id(IDS[1], IDS[0]) != pair_id(IDS[0], IDS[2])
