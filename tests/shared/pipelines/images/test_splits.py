"""Splits by webcam: groups never straddle, and nothing that comes later moves an old webcam."""

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pipelines.images.contracts import webcam_id
from shared.pipelines.images.splits import SPLITS, image_split, split_policy
from shared.splits import split_of

names = st.text(min_size=1, max_size=20)
seeds = st.integers(0, 2**40)


@given(st.lists(names, min_size=1, max_size=30), st.lists(names, max_size=30), seeds)
def test_a_webcam_stays_where_it_is_whoever_else_comes(old: list[str], new: list[str], seed: int) -> None:
    before = {name: image_split(webcam_id(name), seed) for name in old}
    after = {name: image_split(webcam_id(name), seed) for name in [*new, *old]}
    assert {name: after[name] for name in old} == before


@given(names, seeds)
def test_test_is_what_the_loop_holds_out(name: str, seed: int) -> None:
    held_out = split_of(webcam_id(name), split_policy(seed)) == "test"
    assert (image_split(webcam_id(name), seed) == "test") == held_out


@settings(max_examples=20)
@given(seeds)
def test_shares_are_those_of_the_policy(seed: int) -> None:
    splits = [image_split(webcam_id(f"webcam {n}"), seed) for n in range(3000)]
    shares = {split: splits.count(split) / len(splits) for split in SPLITS}
    assert abs(shares["test"] - 0.20) < 0.05
    assert abs(shares["val"] - 0.16) < 0.05
