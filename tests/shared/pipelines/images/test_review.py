"""People rate pictures one by one: blind, what teaches most first, and what is undone leaves nothing behind."""

from datetime import UTC, datetime

import pytest

from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.loop import review
from shared.loop.review_progress import waiting_count
from shared.pipelines.images import PIPELINE
from shared.pipelines.images.review import DISAGREEMENTS, RATINGS
from shared.pipelines.images.sample import make
from tests.shared.pipelines.images.studio import Studio


@pytest.fixture
def images(studio: Studio) -> list[str]:
    frames = make(webcams=3, frames=2, seed=5, now=datetime(2026, 3, 1, tzinfo=UTC))
    result = studio.bring({f"{frame.webcam}/{frame.id}.jpg": frame.data for frame in frames})
    return [line["image"] for line in studio.lines(result, "imported.csv")]


def _next(studio: Studio, reviewer: str, kind: str = RATINGS) -> list[str]:
    with studio.database.reading() as conn:
        return [item.id for item in review.next_items(conn, PIPELINE, kind, reviewer=reviewer, limit=10)]


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


# --- enough people, and disagreements -------------------------------------------------------------------------------


def _scored(studio: Studio, image: str, raw: float) -> None:
    with studio.database.transaction() as conn:
        conn.execute(
            "INSERT INTO image_scores (image_id, model_version, surface, raw_score, ai_rating, path)"
            " VALUES (%s, 'v1', 'regression', %s, %s, 'onnx')"
            " ON CONFLICT (model_version, surface, image_id) DO UPDATE SET raw_score = excluded.raw_score,"
            " ai_rating = excluded.ai_rating, at = now()",
            [image, raw, 1 + 4 * raw],
        )


def _look_again(studio: Studio, image: str, reviewer: str, stars: int) -> object:
    with studio.database.transaction() as conn:
        return review.decide(conn, PIPELINE, DISAGREEMENTS, image, reviewer=reviewer, decision={"stars": stars})[1]


def _undo(studio: Studio, image: str, reviewer: str) -> None:
    with studio.database.transaction() as conn:
        review.undo(conn, PIPELINE, DISAGREEMENTS, image, reviewer=reviewer, by=reviewer)


def _counts(studio: Studio) -> tuple[int, int]:
    with studio.database.reading() as conn:
        return waiting_count(conn, PIPELINE, RATINGS), waiting_count(conn, PIPELINE, DISAGREEMENTS)


def test_a_picture_waits_until_enough_people_have_rated_it(studio: Studio, images: list[str]) -> None:
    _rate(studio, images[0], "ada", 3)
    assert images[0] in _next(studio, "bo")
    assert _counts(studio) == (6, 0)
    _rate(studio, images[0], "bo", 3)
    assert images[0] not in _next(studio, "cy")
    assert _counts(studio) == (5, 0)


def test_of_equals_the_webcam_with_fewer_rated_pictures_is_first(studio: Studio, images: list[str]) -> None:
    webcam = dict(studio.rows("SELECT id, webcam_id FROM images"))
    for reviewer in ("ada", "bo"):
        _rate(studio, images[0], reviewer, 3)
    order = [webcam[image] for image in _next(studio, "cy")]
    assert order[-1] == webcam[images[0]]
    assert webcam[images[0]] not in order[:-1]


def test_people_look_again_where_opinions_are_apart_the_worst_first(studio: Studio, images: list[str]) -> None:
    far, farther, near = images[:3]
    for image, raw in ((far, 0.5), (farther, 0.95), (near, 0.05)):
        _scored(studio, image, raw)
        _rate(studio, image, "ada", 1)
    _scored(studio, far, 0.6)  # a later score counts in place of the one before
    assert _next(studio, "ada", DISAGREEMENTS) == [farther, far]
    assert _counts(studio)[1] == 2
    with studio.database.transaction() as conn:
        (asked,) = (each for each in PIPELINE.reviews if each.kind == DISAGREEMENTS)
        assert set(asked.show(conn, far).content) == {"webcam", "captured_at", "width", "height", "picture"}
        assert asked.reveal(conn, farther)["severity"] == pytest.approx(3.8)
    _look_again(studio, farther, "ada", 1)  # the same person may; it is said again, and nobody is asked any more
    assert _next(studio, "bo", DISAGREEMENTS) == [far]
    _look_again(studio, far, "bo", 4)
    assert _next(studio, "cy", DISAGREEMENTS) == []
    assert sorted(_ratings(studio)) == sorted(
        [(far, "ada", 1, "review"), (far, "bo", 4, "review"), (farther, "ada", 1, "review"), (near, "ada", 1, "review")]
    )
    _undo(studio, far, "bo")
    _undo(studio, farther, "ada")
    assert _next(studio, "cy", DISAGREEMENTS) == [farther, far]
    assert (farther, "ada", 1, "review") in _ratings(studio)


def test_people_who_are_apart_are_a_disagreement_too(studio: Studio, images: list[str]) -> None:
    studio.rate([{"image": images[0], "rater": name, "stars": stars} for name, stars in (("ada", 1), ("bo", 5))])
    assert _next(studio, "cy", DISAGREEMENTS) == [images[0]]


def test_who_rated_in_a_file_may_look_again_and_undo_it(studio: Studio, images: list[str]) -> None:
    studio.rate([{"image": images[0], "rater": "ada", "stars": 5}])
    _scored(studio, images[0], 0.0)
    assert _next(studio, "ada", DISAGREEMENTS) == [images[0]]
    _look_again(studio, images[0], "ada", 2)
    assert _ratings(studio) == [(images[0], "ada", 2, "review")]
    _undo(studio, images[0], "ada")
    assert _ratings(studio) == [(images[0], "ada", 5, "import")]
    assert _next(studio, "ada", DISAGREEMENTS) == [images[0]]


def test_what_a_picture_is_worth_follows_every_change(studio: Studio, images: list[str]) -> None:
    def kept() -> tuple[object, ...]:
        found: tuple[object, ...] = studio.rows(
            "SELECT raters, rated_by, worth::numeric(4, 2)::text FROM images WHERE id = %s", images[0]
        )[0]
        return found

    assert kept() == (0, None, "1.50")
    _scored(studio, images[0], 0.5)
    assert kept() == (0, None, "2.00")
    _rate(studio, images[0], "ada", 5)
    assert kept() == (1, "ada", "2.00")
    _rate(studio, images[0], "bo", 1)
    assert kept() == (2, "bo", "2.00")
    with studio.database.transaction() as conn:
        conn.execute("DELETE FROM image_scores")
        conn.execute("DELETE FROM ratings WHERE rater = 'ada'")
    assert kept() == (1, "bo", "0.00")
