"""The tables of images: what the training role sees of them, and what it does not."""

import psycopg
import pytest

from shared.db import examples
from shared.db.pool import Database
from shared.pipeline import SplitPolicy

_IMAGE = "img_" + "a" * 32


@pytest.fixture
def rated(database: Database) -> Database:
    """One image with ratings of two known raters and one of the public, and one that only the public rated."""
    with database.transaction() as conn:
        conn.execute("INSERT INTO webcams (id, name) VALUES ('cam_1', 'Pier')")
        for letter in "ab":
            conn.execute(
                "INSERT INTO images (id, webcam_id, captured_at, hour, source, artifact, bytes, width, height, format)"
                " VALUES (%s, 'cam_1', '2026-02-12T18:30Z', 18, %s, %s, 9, 64, 64, 'jpeg')",
                ["img_" + letter * 32, letter * 64, letter.swapcase() * 64],
            )
        for letter, rater, stars, kind in (
            ("a", "ada", 5, "manual"),
            ("a", "bo", 4, "manual"),
            ("a", "?1", 1, "public"),
            ("b", "?1", 3, "public"),
        ):
            conn.execute(
                "INSERT INTO ratings (image_id, rater, stars, kind, source, at)"
                " VALUES (%s, %s, %s, %s, 'import', '2026-03-01T00:00Z')",
                ["img_" + letter * 32, rater, stars, kind],
            )
    return database


def test_the_loop_reads_manual_ratings_only_and_no_names(rated: Database) -> None:
    policy = SplitPolicy(test_share=0.5, seed=1)
    with rated.training_data() as conn:
        for surface in ("binary", "regression"):
            (block,) = examples.export(conn, "images_examples", surface, policy)
            assert block.rows == 1
            assert b'"label": {"stars": 4.5, "ratings": 2}'.replace(b": ", b":") in block.lines.replace(b": ", b":")
            assert b"ada" not in block.lines


def test_labels_for_manifests_tell_manual_from_all(rated: Database) -> None:
    with rated.training_data() as conn:
        rows = conn.execute("SELECT id, manual_count, all_count, all_stars FROM image_labels ORDER BY id").fetchall()
    assert [(row[1], row[2], float(row[3])) for row in rows] == [(2, 3, 3.3333), (0, 1, 3.0)]


@pytest.mark.parametrize("table", ["image_scores", "ratings", "images", "webcams"])
def test_the_training_role_reads_no_table(rated: Database, table: str) -> None:
    with rated.training_data() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(f"SELECT * FROM {table}")


def test_origins_name_the_raters(rated: Database) -> None:
    with rated.reading() as conn:
        found = conn.execute(
            "SELECT pipeline, label, source, labelled_by FROM example_origins WHERE id = %s", [_IMAGE]
        ).fetchall()
    assert found == [("images", "4.5 stars", "import", "ada, bo")]
