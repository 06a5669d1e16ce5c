"""People rate pictures one by one: blind, what teaches most first, and what is undone leaves nothing behind."""

from datetime import UTC, datetime

import pytest

from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.loop import review
from shared.pipelines.images import PIPELINE
from shared.pipelines.images.review import RATINGS
from shared.pipelines.images.sample import make
from tests.shared.pipelines.images.studio import Studio


@pytest.fixture
def images(studio: Studio) -> list[str]:
    frames = make(webcams=3, frames=2, seed=5, now=datetime(2026, 3, 1, tzinfo=UTC))
    result = studio.bring({f"{frame.webcam}/{frame.id}.jpg": frame.data for frame in frames})
    return [line["image"] for line in studio.lines(result, "imported.csv")]


def _next(studio: Studio, reviewer: str) -> list[str]:
    with studio.database.reading() as conn:
        return [item.id for item in review.next_items(conn, PIPELINE, RATINGS, reviewer=reviewer, limit=10)]


def _rate(studio: Studio, image: str, reviewer: str, stars: int) -> object:
    with studio.database.transaction() as conn:
        return review.decide(conn, PIPELINE, RATINGS, image, reviewer=reviewer, decision={"stars": stars})[1]


def _ratings(studio: Studio) -> list[tuple[object, ...]]:
    return studio.rows("SELECT image_id, rater, stars, source FROM ratings ORDER BY 1, 2")


def test_what_a_person_says_is_a_label_until_it_is_undone(studio: Studio, images: list[str]) -> None:
    assert _rate(studio, images[0], "ada", 4) == {"ratings": 1, "mean": 4.0}
    _rate(studio, images[0], "bo", 2)
    _rate(studio, images[0], "ada", 5)
    assert _ratings(studio) == [(images[0], "ada", 5, "review"), (images[0], "bo", 2, "review")]
    for comes_to in ({"ratings": 2, "mean": 3.0}, {"ratings": 1, "mean": 2.0}):  # the rating before stands again first
        with studio.database.transaction() as conn:
            assert review.undo(conn, PIPELINE, RATINGS, images[0], reviewer="ada", by="ada").came_to == comes_to
    assert _ratings(studio) == [(images[0], "bo", 2, "review")]


def test_nobody_is_asked_twice_and_the_next_is_the_most_doubtful(studio: Studio, images: list[str]) -> None:
    scored = ((images[1], 0.5), (images[2], 0.9), (images[3], 0.05))
    with studio.database.transaction() as conn:
        for image, raw in scored:
            conn.execute(
                "INSERT INTO image_scores (image_id, model_version, surface, raw_score, ai_rating, path)"
                " VALUES (%s, 'v1', 'regression', %s, %s, 'onnx')",
                [image, raw, 1 + 4 * raw],
            )
    _rate(studio, images[2], "ada", 1)  # the model said 4.6 stars
    assert _next(studio, "bo")[:2] == [images[2], images[1]]
    assert images[2] not in _next(studio, "ada")
    assert len(_next(studio, "ada")) == 5


def test_items_are_blind_and_scores_are_shown_when_asked_for(studio: Studio, images: list[str]) -> None:
    _rate(studio, images[0], "bo", 2)
    with studio.database.transaction() as conn:
        item = PIPELINE.reviews[0].show(conn, images[0])
        assert set(item.content) == {"webcam", "captured_at", "width", "height", "picture"}
        assert PIPELINE.reviews[0].reveal(conn, images[0])["people"]["ratings"] == 1


def test_what_cannot_be_rated_is_said(studio: Studio, images: list[str]) -> None:
    with pytest.raises(NotFoundError):
        _rate(studio, "img_" + "0" * 32, "ada", 3)
    with pytest.raises(InvalidInputError):
        _rate(studio, images[0], "ada", 6)
    studio.rate([{"image": images[0], "rater": "ada", "stars": 3}])
    with pytest.raises(ConflictError, match="imported from a file"):
        _rate(studio, images[0], "ada", 4)
    _rate(studio, images[1], "ada", 4)
    assert studio.rate([{"image": images[1], "rater": "ada", "stars": 1}])["known"] == 1
    assert (images[1], "ada", 4, "review") in _ratings(studio)
