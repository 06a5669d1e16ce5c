"""Clusters keep their ids while most of their members stay."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pipelines.dedup.clusters import fresh_ids, kept_ids, likeness, servable

A, B, C, D, E, F = "abcdef"


@pytest.mark.parametrize(
    ("known", "groups", "kept"),
    [
        ({"cl_1": (A, B)}, [(A, B)], {(A, B): "cl_1"}),
        ({"cl_1": (A, B)}, [(A, B, C)], {(A, B, C): "cl_1"}),
        ({"cl_1": (A, B, C)}, [(A, B)], {(A, B): "cl_1"}),
        ({"cl_1": (A, B)}, [(A, C), (B, D)], {}),  # half is not most
        ({"cl_1": (A, B, C, D)}, [(A, B), (C, D)], {}),
        ({"cl_1": (A, B), "cl_2": (C, D, E)}, [(A, B, C, D, E)], {(A, B, C, D, E): "cl_2"}),
        ({"cl_2": (A, B), "cl_1": (C, D)}, [(A, B, C, D)], {(A, B, C, D): "cl_1"}),
        ({"cl_1": (A, B)}, [], {}),
    ],
)
def test_who_keeps_an_id(known: Any, groups: Any, kept: Any) -> None:
    assert kept_ids(groups, known) == kept


members = st.sets(st.integers(0, 30), min_size=2).map(lambda some: tuple(sorted(f"ins_{n:02}" for n in some)))


@st.composite
def partitions(draw: st.DrawFn) -> list[tuple[str, ...]]:
    groups: dict[int, list[str]] = {}
    for number in range(20):
        groups.setdefault(draw(st.integers(0, 8)), []).append(f"ins_{number:02}")
    return [tuple(group) for group in groups.values() if len(group) > 1]


@given(partitions(), partitions())
def test_an_id_is_given_once_and_goes_on_with_most_of_its_members(before: Any, after: Any) -> None:
    known = {f"cl_{place}": group for place, group in enumerate(before)}
    kept = kept_ids(after, known)
    assert len(set(kept.values())) == len(kept)
    for group, cluster_id in kept.items():
        assert 2 * len(set(group) & set(known[cluster_id])) > len(known[cluster_id])
    assert kept_ids(after[::-1], dict(reversed(known.items()))) == kept
    assert set(kept_ids(before, known).values()) == set(known)


def test_the_same_members_have_the_same_fresh_ids() -> None:
    assert fresh_ids((A, B)) == fresh_ids((A, B))
    assert not set(fresh_ids((A, B))) & set(fresh_ids((A, C)))
    assert len(set(fresh_ids((A, B)))) == len(fresh_ids((A, B)))


def test_what_people_decided_meanwhile_is_not_served() -> None:
    groups = [(A, B), (C, D), (E, F)]
    assert servable(groups, apart={(A, B)}, merged={F}) == [(C, D)]


def test_how_alike_the_pairs_of_a_cluster_are() -> None:
    angles = np.radians([0, 30, 60])
    found = likeness(np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32))
    assert found == pytest.approx((0.5, (2 * np.cos(np.radians(30)) + 0.5) / 3, np.cos(np.radians(30))), abs=1e-6)
