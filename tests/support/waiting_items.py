"""Items that wait for people, put where the front finds them: answered queries, and pictures with their bytes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from psycopg import Connection

from shared.artifact_stores import open_store
from shared.db import predictions, queries
from shared.db.pool import Database
from shared.db.predictions import Prediction
from shared.db.queries import Query
from shared.pipelines.images.sample import HEIGHT, WIDTH, Frame, make
from shared.settings import Settings
from tests.support.processes import Processes

_WEBCAM: Final = "INSERT INTO webcams (id, name) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_IMAGE: Final = """
INSERT INTO images (id, webcam_id, captured_at, hour, source, artifact, bytes, width, height, format)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'jpeg')
"""
_SCORE: Final = """
INSERT INTO image_scores (image_id, model_version, surface, raw_score, ai_rating, path)
VALUES (%s, 'v1', 'regression', %s, %s, 'onnx')
"""


def put_answer(
    conn: Connection, number: int, difficulty: str = "EASY", confidence: float = 0.9, path: str = "model", *,
    query: str = "",
) -> str:  # fmt: skip
    """Store a query as the front stores it with its answer; returns its id."""
    query_id, now = f"pred_{number:032x}", datetime.now(UTC)
    answered = Prediction(
        id=query_id, pipeline="router", surface="default", model_id=None, path=path, confidence=confidence,
        output={"difficulty": difficulty}, created_at=now,
    )  # fmt: skip
    asked = Query(
        id=query_id, query=query or f"What is {number}?", difficulty=difficulty, confidence=confidence,
        model_version=None, override=None, created_at=now,
    )  # fmt: skip
    predictions.insert(conn, [answered])
    queries.insert(conn, [asked])
    return query_id


def put_pictures(database: Database, processes: Processes, *, webcams: int, frames: int) -> list[Frame]:
    """Store computed skies as an import leaves them, for the front of these processes."""
    settings = Settings(tuneyard_home=Path(processes.env["TUNEYARD_HOME"]))
    store = open_store(settings.artifacts(), settings)
    made = list(make(webcams=webcams, frames=frames, seed=7, now=datetime(2026, 3, 1, tzinfo=UTC)))
    with database.transaction() as conn:
        for frame in made:
            ref = store.put(frame.data)
            webcam = f"cam_{frame.webcam}"
            conn.execute(_WEBCAM, [webcam, frame.webcam])
            at = frame.captured_at
            conn.execute(
                _IMAGE, [frame.id, webcam, at, at.hour, ref.sha256, ref.sha256, ref.size, WIDTH, HEIGHT]
            )  # fmt: skip
    return made


def put_scores(conn: Connection, scores: Sequence[tuple[str, float]]) -> None:
    """Store what a model scored: an image's id, and 0 to 1."""
    with conn.cursor() as cursor:
        cursor.executemany(_SCORE, [(image, raw, 1 + 4 * raw) for image, raw in scores])
