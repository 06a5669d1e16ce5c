"""Features: the same for training and serving, exact, bounded, and refused where they are not the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import RefusedError
from shared.pipelines.router.contracts import MAX_QUERY_CHARS, check_query
from shared.pipelines.router.features import BASE_GROUPS, Features, FeatureSpec, features_for
from shared.pipelines.router.linguistics import OPTIONAL

queries = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1).filter(lambda text: text.strip())


@pytest.fixture(scope="module")
def features() -> Features:
    return Features()


def _dense(features: Features, query: str) -> dict[str, float]:
    """The dense features by name, as they were counted."""
    values = features.row(query).values[: len(features.names)]
    return dict(zip(features.names, np.expm1(values).round(6).tolist(), strict=True))


def test_hand_features_see_what_a_person_sees(features: Features) -> None:
    seen = _dense(
        features, "Tom had 3/4 of a pie and $12.50. He didn't pay 20% of it! How many are left, if 2 cost $2?"
    )
    expected = {
        "sentences": 3, "fractions": 1, "decimals": 1, "percents": 1, "money": 2, "questions": 1, "numbers": 5,
        "distinct_numbers": 4, "repeated_numbers": 1, "negation": 1, "rest": 1, "condition": 1, "commas": 1,
        "sentences_with_numbers": 3, "numbers_in_last": 2,
    }  # fmt: skip
    assert {name: seen[name] for name in expected} == expected


def test_an_abbreviation_ends_no_sentence(features: Features) -> None:
    assert _dense(features, "Mr. Li met Dr. Wu. They left.")["sentences"] == 2


def test_words_are_compared_by_their_stems(features: Features) -> None:
    one, other = features.row("explaining designs"), features.row("explained designing")
    words = slice(features.dense, features.dense + 2)
    assert one.places[words].tolist() == other.places[words].tolist()


def test_the_order_of_words_counts(features: Features) -> None:
    one, other = features.row("dog bites man"), features.row("man bites dog")
    assert sorted(one.places) != sorted(other.places)


@settings(deadline=None)
@given(queries)
def test_every_text_has_finite_bounded_features(features: Features, query: str) -> None:
    row = features.row(check_query(query[:MAX_QUERY_CHARS]))
    assert len(row.places) == len(row.values)
    assert row.places.min() >= 0
    assert row.places.max() < features.size
    assert np.isfinite(row.values).all()
    assert row.values.max() < 20


@pytest.mark.parametrize("text", ["x" * 10_000, "( " * 5_000, "数" * 10_000, "1," * 5_000, "'" * 10_000, "a-" * 5_000])
def test_walls_of_text_are_read_too(features: Features, text: str) -> None:
    assert np.isfinite(features.row(text).values).all()


@settings(deadline=None)
@given(queries)
def test_what_was_remembered_changes_nothing(features: Features, query: str) -> None:
    fresh, used = Features().row(query), features.row(query)
    assert fresh.places.tobytes() == used.places.tobytes()
    assert fresh.values.tobytes() == used.values.tobytes()


def test_the_same_definitions_have_the_same_hash(features: Features) -> None:
    assert Features().spec == features.spec
    assert features_for(features.spec).spec == features.spec
    assert features.spec.groups == BASE_GROUPS


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"sha256": "0" * 64}, {"groups": (*BASE_GROUPS, "smell")}, {"groups": ("surface",)}]
)
def test_features_that_cannot_be_computed_exactly_are_refused(features: Features, change: dict[str, object]) -> None:
    spec = FeatureSpec.model_validate(features.spec.model_dump() | change)
    with pytest.raises(RefusedError, match="the model needs features") as refused:
        features_for(spec)
    assert "train the model again" in refused.value.advice


@pytest.mark.parametrize("group", OPTIONAL)
def test_an_optional_group_without_its_data_is_refused(features: Features, group: str) -> None:
    spec = features.spec.model_copy(update={"groups": (*BASE_GROUPS, group)})
    with pytest.raises(RefusedError, match=r"NLTK data|needs features"):
        features_for(spec)
