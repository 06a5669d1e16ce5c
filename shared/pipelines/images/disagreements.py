"""The step ``report-disagreements``: where a version's scores and people are apart, with pictures, the worst first.

Three gaps of each image: the model's stars less the people's (signed), the people's among themselves, and ONNX's score
less torch's, where the version is one of the registry and its checkpoint lies beside it.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import numpy as np

from shared.contracts import JsonObject
from shared.db import images
from shared.db.images import Asked, Disagreement
from shared.errors import NotFoundError, RefusedError, TuneyardError
from shared.files import ResultFiles, publish_files
from shared.page import document
from shared.pipeline import Done, Run
from shared.pipelines.images.contracts import NAME, TARGET_TYPES, ImageInput
from shared.pipelines.images.evaluate_files import FOLDER, PLACE, thumbnail
from shared.pipelines.images.model import load
from shared.pipelines.images.model_policy import model_policy
from shared.pipelines.images.preprocess import preprocess
from shared.pipelines.images.scoring_params import DisagreementsParams, DisagreementsResult
from shared.registered import registered

JSON_FILE: Final = "disagreement_report.json"
PAGE_FILE: Final = "disagreement_report.html"
_BATCH: Final = 32
_STARS: Final = 4  # between the worst and the best picture

Pictures = Mapping[str, bytes]


def report_disagreements(run: Run, params: DisagreementsParams) -> Done:
    """Write the report. Raises RefusedError when the version has scored no image that people have rated."""
    asked = Asked(version=params.model_version, surface=params.target_type, public=params.public)
    with run.reading() as conn:
        found = images.disagreements(conn, asked, params.limit)
        compared = images.count_compared(conn, asked)
    if not found:
        raise RefusedError(
            f"{params.model_version} has scored no image that people have rated",
            advice="run images.score first; its result names the version, and images.import-ratings brings ratings",
        )
    pictures = _pictures(run, found)
    run.report(0.4, "comparing torch and ONNX", images=len(found))
    torch_gaps = _torch_gaps(params.model_version, found, pictures)
    rows = sorted((_row(each, torch_gaps) for each in found), key=_order)
    mean_gap = sum(each.gap for each in found) / len(found)
    told = "more" if mean_gap > 0 else "fewer"
    sentence = (
        f"{len(rows):,} of {compared:,} rated images, the worst first: {params.model_version} gives them"
        f" {abs(mean_gap):.2f} stars {told} than people on average."
    )
    result = DisagreementsResult(
        sentence=sentence, model_version=params.model_version, compared=compared, listed=len(rows),
        mean_gap=mean_gap, worst=rows[0]["severity"], files=_files(run, params, sentence, rows, pictures),
    )  # fmt: skip
    return Done(result=result)


def _row(each: Disagreement, torch_gaps: Mapping[tuple[str, str], float]) -> JsonObject:
    torch_gap = torch_gaps.get((each.surface, each.image_id))
    return {
        "image": each.image_id,
        "webcam": each.webcam_id,
        "target_type": each.surface,
        "rawScore": each.raw_score,
        "aiRating": each.ai_rating,
        "people": each.mean,
        "ratings": each.ratings,
        "gap": each.gap,
        "spread": each.highest - each.lowest,
        "torch_gap": torch_gap,
        "severity": max(each.severity, _STARS * abs(torch_gap or 0.0)),
    }


def _order(row: JsonObject) -> tuple[float, str, str]:
    return -row["severity"], row["image"], row["target_type"]


def _pictures(run: Run, found: Sequence[Disagreement]) -> Pictures:
    """Read the pictures' files; one that is gone is left out."""
    pictures = {}
    for each in found:
        try:
            given = ImageInput(image=each.image_id, artifact=each.artifact, bytes=each.bytes)
            with run.artifacts.open(given.file) as file:
                pictures[each.image_id] = file.read()
        except TuneyardError:
            continue
    return pictures


def _torch_gaps(version: str, found: Sequence[Disagreement], pictures: Pictures) -> dict[tuple[str, str], float]:
    """Return ONNX's score less torch's of each picture, by surface and image; nothing without a checkpoint."""
    from shared.pipelines.images.parity import torch_scores

    gaps: dict[tuple[str, str], float] = {}
    for surface in TARGET_TYPES:
        try:
            model = registered(NAME, surface, version)
        except NotFoundError:
            continue
        other = torch_scores(model.folder) if model else None
        if model is None or other is None:
            continue
        onnx = load(model.folder)
        some = [each.image_id for each in found if each.surface == surface and each.image_id in pictures]
        for first in range(0, len(some), _BATCH):
            batch = some[first : first + _BATCH]
            inputs = preprocess([pictures[image] for image in batch], onnx.meta.preprocessing)
            difference = np.asarray(onnx.scores_of_inputs(inputs)) - np.asarray(other(inputs))
            gaps.update({(surface, image): float(gap) for image, gap in zip(batch, difference, strict=True)})
    return gaps


# --- the files ------------------------------------------------------------------------------------------------------


def _files(
    run: Run, params: DisagreementsParams, sentence: str, rows: Sequence[JsonObject], pictures: Pictures
) -> ResultFiles:
    report = {"model_version": params.model_version, "sentence": sentence, "disagreements": rows}
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    page = document("Disagreements", _page(params.model_version, sentence, rows, pictures), pictures=True)
    return publish_files(
        run.artifacts, {f"{PLACE}/{JSON_FILE}": text.encode(), f"{PLACE}/{PAGE_FILE}": page}, folder=FOLDER
    )


def _page(version: str, sentence: str, rows: Sequence[JsonObject], pictures: Pictures) -> list[str]:
    head = "<tr><th>picture</th><th>AI</th><th>people</th><th>gap</th><th>spread</th><th>ONNX - torch</th></tr>"
    return [
        f"<h1>Disagreements of {escape(version)}</h1>",
        f"<p class='note'>{escape(sentence)} The review of disagreements hands out these images.</p>",
        f"<table>{head}",
        *(_line(row, pictures.get(row["image"])) for row in rows),
        "</table>",
    ]


def _line(row: Mapping[str, Any], picture: bytes | None) -> str:
    torch_gap = "" if row["torch_gap"] is None else f"{row['torch_gap']:+.1e}"
    cells = (
        f"{_shown(picture)}<br>{escape(row['image'])}<br>{escape(row['target_type'])}",
        f"{row['aiRating']:.2f}",
        f"{row['people']:.2f} ({row['ratings']})",
        f"{row['gap']:+.2f}",
        f"{row['spread']}",
        torch_gap,
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _shown(picture: bytes | None) -> str:
    if picture is None:
        return "(the picture is gone)"
    small = base64.b64encode(thumbnail(picture, model_policy().evaluation.thumbnail_side)).decode()
    return f"<img alt='' src='data:image/jpeg;base64,{small}'>"
