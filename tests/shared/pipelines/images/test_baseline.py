"""The scorer without a model, and the sample that it is tried on."""

from datetime import UTC, datetime

import numpy as np
import pytest

from shared.pipelines.images.baseline import baseline_scores, figures
from shared.pipelines.images.sample import Frame, make
from tests.shared.pipelines.images import hostile

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return list(make(webcams=10, frames=8, seed=7, now=NOW))


def _flat(*colour: int) -> np.ndarray:
    return np.full((32, 32, 3), colour, dtype=np.uint8)


def test_each_figure_sees_what_it_is_called_after() -> None:
    grey, orange = figures(_flat(90, 90, 90)), figures(_flat(230, 120, 40))
    assert vars(grey) == {"colour": 0.0, "contrast": 0.0, "sharpness": 0.0, "warmth": 0.0}
    assert orange.warmth == pytest.approx(190)
    assert orange.colour > 30
    assert figures(_flat(40, 120, 230)).warmth == 0
    stripes = _flat(0, 0, 0)
    stripes[:, ::2] = 255
    assert figures(stripes).contrast == pytest.approx(127.5, abs=0.5)
    assert figures(stripes).sharpness > 10_000


def test_scores_are_deterministic_and_between_0_and_1(frames: list[Frame]) -> None:
    files = [frame.data for frame in frames]
    scores = baseline_scores(files)
    assert scores == baseline_scores(files)
    assert all(0 <= score <= 1 for score in scores)
    assert baseline_scores([hostile.saved(hostile.noise(), "PNG")])[0] > 0.2


def test_the_baseline_is_better_than_chance_and_far_from_right(frames: list[Frame]) -> None:
    scores, truth = (np.argsort(np.argsort(values)) for values in (baseline_scores([f.data for f in frames]), [f.quality for f in frames]))  # fmt: skip  # noqa: E501
    assert 0.2 < np.corrcoef(scores, truth)[0, 1] < 0.8


def test_the_sample_is_the_same_again_and_its_raters_differ(frames: list[Frame]) -> None:
    assert frames[:9] == list(make(webcams=2, frames=8, seed=7, now=NOW))[:9]
    assert frames[0].data != next(make(webcams=1, frames=1, seed=8, now=NOW)).data
    assert len({frame.id for frame in frames}) == len(frames)
    said = {rater: [o.stars - 1 - 4 * f.quality for f in frames for o in f.opinions if o.rater == rater] for rater in ("ada", "bo")}  # fmt: skip  # noqa: E501
    assert np.mean(said["ada"]) > np.mean(said["bo"]) + 0.3
    good = [frame.quality >= 0.625 for frame in frames]
    assert 0.15 < np.mean(good) < 0.6
