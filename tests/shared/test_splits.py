"""Splits: a pure rule, and the same rule in SQL."""

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared import splits
from shared.db.pool import Database
from shared.pipeline import SplitPolicy
from shared.splits import split_of

groups = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40)
seeds = st.integers(0, 2**63 - 1)
shares = st.floats(0, 1) | st.sampled_from([0.0, 0.2, 0.5, 1.0])


@given(groups, seeds, shares)
def test_the_rule_is_the_first_32_bits_of_the_hash_below_the_share(group: str, seed: int, share: float) -> None:
    digest = hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()
    expected = "test" if int(digest[:8], 16) / 2**32 < share else "train"
    assert split_of(group, SplitPolicy(test_share=share, seed=seed)) == expected


@given(st.lists(groups, min_size=1, max_size=30), seeds, shares)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_sql_says_the_same(database: Database, names: list[str], seed: int, share: float) -> None:
    policy = SplitPolicy(test_share=share, seed=seed)
    query = (
        "SELECT sha256(convert_to(%s || g, 'UTF8')) < %s FROM unnest(%s::text[]) WITH ORDINALITY AS t (g, n) ORDER BY n"
    )
    with database.reading() as conn:
        held_out = [row[0] for row in conn.execute(query, [f"{seed}:", splits.test_bound(policy), names])]
    assert held_out == [split_of(name, policy) == "test" for name in names]


@given(groups, seeds, shares, shares)
def test_a_larger_share_only_adds_groups_to_the_test_split(group: str, seed: int, one: float, other: float) -> None:
    small, large = sorted((one, other))
    if split_of(group, SplitPolicy(test_share=small, seed=seed)) == "test":
        assert split_of(group, SplitPolicy(test_share=large, seed=seed)) == "test"


def test_the_share_is_met() -> None:
    policy = SplitPolicy(test_share=0.2, seed=42)
    held_out = sum(split_of(f"group {n}", policy) == "test" for n in range(10_000))
    assert 1_880 < held_out < 2_120  # three standard deviations


def test_another_seed_holds_out_other_groups() -> None:
    names = [str(n) for n in range(100)]
    one, other = ([split_of(n, SplitPolicy(test_share=0.5, seed=s)) for n in names] for s in (1, 2))
    assert one != other


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="test_share"):
        split_of("group", SplitPolicy(test_share=share, seed=0))
