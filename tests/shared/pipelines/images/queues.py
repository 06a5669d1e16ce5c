"""Pictures that wait for stars, as many as are asked for."""

from typing import Final

from tests.support.full_queues import ID, ODDS, Fill, N

TABLES: Final = "images, image_scores, ratings, webcams"

_IMAGE: Final = ID.format("img")
_PICTURE: Final = f"""
INSERT INTO images (id, webcam_id, source, artifact, bytes, width, height, format)
SELECT {_IMAGE}, 'cam_' || mod(n, 20), {_IMAGE}, {_IMAGE}, 1000, 640, 480, 'jpeg' {N}
"""
_SCORE: Final = f"""
INSERT INTO image_scores (image_id, model_version, surface, raw_score, ai_rating, path)
SELECT {_IMAGE}, 'v1', 'regression', {ODDS}, 1 + 4 * ({ODDS}), 'onnx' {N}
"""
_CAMERAS: Final = """
INSERT INTO webcams (id, name) SELECT 'cam_' || n, 'Camera ' || n FROM generate_series(0, 19) AS n
ON CONFLICT DO NOTHING
"""
FILL: Final[Fill] = {
    "ratings": (_CAMERAS, _PICTURE, _SCORE),
    "disagreements": (
        _CAMERAS,
        _PICTURE,
        _SCORE,
        f"""
INSERT INTO ratings (image_id, rater, stars, kind, source)
SELECT {_IMAGE}, 'rater ' || mod(n, 3), CASE WHEN {ODDS} < 0.5 THEN 5 ELSE 1 END, 'manual', 'import' {N}
""",
    ),
}
