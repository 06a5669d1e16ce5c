"""What an evaluation leaves for people: ``eval_report.json``, charts, pictures of the worst mistakes, and a page."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from PIL import Image

from shared.contracts import JsonObject, Verdict
from shared.errors import TuneyardError
from shared.files import ResultFiles, publish_files
from shared.page import document
from shared.pipeline import Run
from shared.pipelines.images.charts import Bar, Line, bars, lines
from shared.pipelines.images.contracts import parse_input
from shared.pipelines.images.decoding import decode
from shared.pipelines.images.model_policy import model_policy

FOLDER: Final = "ml"
PLACE: Final = "artifacts/reports"
"""Below ``ml``: as in the seed."""

_MAIN: Final = {
    "binary": ("accuracy", "auc", "f1", "calibration_error"),
    "regression": ("mae", "rmse", "spearman", "r2"),
}
_QUALITY: Final = 82


def evaluation_files(run: Run, surface: str, metrics: JsonObject, verdicts: Sequence[Verdict]) -> ResultFiles:
    """Write the report of a candidate's metrics (``score.report``), beside those of the active model, if any."""
    candidate: JsonObject = metrics.get("candidate") or {}
    charts = _charts(surface, candidate)
    pictures = _pictures(run, candidate.get("worst", []))
    text = {
        "surface": surface,
        "candidate": candidate,
        "active": metrics.get("active"),
        "verdicts": [verdict.model_dump(mode="json") for verdict in verdicts],
    }
    files: dict[str, bytes] = {
        "eval_report.json": (json.dumps(text, indent=2, ensure_ascii=False) + "\n").encode(),
        "eval_report.html": _page(surface, metrics, verdicts, charts, pictures),
        **{name: chart.encode() for name, chart in charts.items()},
        **{f"mistakes/{number:02d}_{name}.jpg": data for number, (name, data) in enumerate(pictures.items(), 1)},
    }
    return publish_files(run.artifacts, {f"{PLACE}/{name}": data for name, data in files.items()}, folder=FOLDER)


def thumbnail(data: bytes, side: int) -> bytes:
    """Return a picture's file as a small JPEG, ``side`` pixels at most. Raises InvalidInputError for a bad one."""
    small = Image.fromarray(decode(data, side))
    small.thumbnail((side, side))
    written = io.BytesIO()
    small.save(written, "JPEG", quality=_QUALITY)
    return written.getvalue()


def _pictures(run: Run, worst: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Read the worst mistakes' pictures; one that is gone is left out."""
    found = {}
    for each in worst:
        try:
            with run.artifacts.open(parse_input(each["input"]).file) as file:
                found[str(each["image"])] = thumbnail(file.read(), model_policy().evaluation.thumbnail_side)
        except TuneyardError:
            continue
    return found


def _charts(surface: str, found: JsonObject) -> dict[str, str]:
    main = _MAIN[surface][0]
    charts = {
        "per_webcam.svg": bars(f"{main} by webcam", "webcam", main, _bars(found.get("per_webcam", []), main)),
        "per_hour.svg": bars(f"{main} by hour of day", "hour", main, _bars(found.get("per_hour", []), main)),
    }
    if surface == "binary":
        points = [(float(each["mean_score"]), float(each["share_good"])) for each in found.get("calibration", [])]
        ideal = Line("ideal", [(0.0, 0.0), (1.0, 1.0)])
        charts["calibration.svg"] = lines(
            "Calibration", "mean score", "share of good pictures", [Line("model", points), ideal]
        )
    else:
        targets = [(1 + 4 * each["mean_target"], 1 + 4 * each["mean_score"]) for each in found.get("per_webcam", [])]
        agreed = [Line("webcams", targets), Line("as people say", [(1.0, 1.0), (5.0, 5.0)])]
        charts["ratings.svg"] = lines("Mean rating by webcam", "people (stars)", "model (stars)", agreed, dots=True)
    return charts


def _bars(rows: Sequence[Mapping[str, Any]], main: str) -> list[Bar]:
    return [Bar(str(each["name"])[-6:], float(each[main] or 0.0)) for each in rows]


# --- the page ---------------------------------------------------------------------------------------------------------


def _page(
    surface: str,
    metrics: JsonObject,
    verdicts: Sequence[Verdict],
    charts: Mapping[str, str],
    pictures: Mapping[str, bytes],
) -> bytes:
    candidate: JsonObject = metrics.get("candidate") or {}
    on = (
        f"{candidate.get('rows', 0)} held-out pictures of {candidate.get('webcams', 0)} webcams that were never trained"
        " on. Intervals draw whole webcams."
    )
    parts = [
        f"<h1>Evaluation: {escape(surface)}</h1>",
        f"<p class='note'>{escape(on)}</p>",
        _table(surface, candidate, metrics.get("active")),
        "<section><h2>Gates</h2>",
        *(f"<p>{escape(v.gate)}: <b>{v.outcome.value}</b>. {escape(v.sentence)}</p>" for v in verdicts),
        "</section><section><h2>Charts</h2>",
        *charts.values(),
        "</section><section><h2>The worst mistakes</h2><div class='cards'>",
        *(_mistake(each, pictures.get(str(each["image"]))) for each in candidate.get("worst", [])),
        "</div></section>",
    ]
    return document(f"Evaluation: {surface}", parts, pictures=True)


def _table(surface: str, candidate: JsonObject, active: JsonObject | None) -> str:
    rows = []
    for name in _MAIN[surface]:
        low_high = (candidate.get("intervals") or {}).get(name)
        between = f"{low_high[0]:.3f} to {low_high[1]:.3f}" if low_high else ""
        cells = (_number(candidate.get(name)), between, _number((active or {}).get(name)),
                 _number((candidate.get("baseline") or {}).get(name)))  # fmt: skip
        rows.append(f"<tr><td>{escape(name)}</td>{''.join(f'<td class=number>{cell}</td>' for cell in cells)}</tr>")
    head = "<tr><th></th><th>candidate</th><th>interval</th><th>active model</th><th>baseline scorer</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _mistake(each: Mapping[str, Any], picture: bytes | None) -> str:
    shown = ""
    if picture is not None:
        shown = f"<img alt='' src='data:image/jpeg;base64,{base64.b64encode(picture).decode()}'>"
    return (
        f"<div class='card'>{shown}<p class='note'>{escape(str(each['image']))}<br>people {each['stars']:.1f} stars,"
        f" model {each['ai_rating']:.1f} (score {each['score']:.3f})</p></div>"
    )


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "none"
