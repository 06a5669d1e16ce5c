"""The step ``report``: the latest evaluation of a model as a page for people, with its charts and its errors by id."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Annotated, Any, Final

from pydantic import Field

from shared.contracts import Contract, JsonObject
from shared.db import dedup
from shared.errors import NotFoundError
from shared.files import ResultFiles, publish_files
from shared.ids import canonical_json
from shared.page import document
from shared.pipeline import Done, Run
from shared.pipelines.dedup.charts import calibration, precision_recall
from shared.pipelines.dedup.policy import policy

PAGE_FILE: Final = "evaluation.html"
FIGURES_FILE: Final = "evaluation.json"
CURVE_FILE: Final = "precision_recall.svg"
CALIBRATION_FILE: Final = "calibration.svg"
_ROWS: Final = ("rows", "accuracy", "precision", "recall", "f1", "auc")


class ReportParams(Contract):
    """Whose evaluation to show."""

    model_id: Annotated[str, Field(pattern=r"^mdl_[0-9a-f]{32}$")] | None = Field(
        default=None, description="The model. Empty: the active one."
    )


class ReportResult(Contract):
    """The evaluation that is shown, and its files: a page, two charts and the figures."""

    evaluation_id: str
    files: ResultFiles


def report(run: Run, params: ReportParams) -> Done:
    """Write an evaluation as a page, as charts and as JSON. Raises NotFoundError without one."""
    with run.reading() as conn:
        evaluated = dedup.latest_evaluation(conn, params.model_id)
    window: JsonObject = (evaluated.metrics.get("all") or {}) if evaluated else {}
    candidate: JsonObject = window.get("candidate") or {}
    if evaluated is None or not candidate.get("curve"):
        raise NotFoundError("there is no evaluation of that model", advice="run dedup.evaluate first")
    curve = precision_recall(candidate["curve"])
    calibrated = calibration(candidate.get("calibration") or {})
    files = {
        PAGE_FILE: document("Evaluation of dedup", _parts(evaluated.id, window, curve + calibrated)),
        FIGURES_FILE: canonical_json(evaluated.metrics),
        CURVE_FILE: curve.encode(),
        CALIBRATION_FILE: calibrated.encode(),
    }
    result = ReportResult(
        evaluation_id=evaluated.id, files=publish_files(run.artifacts, files, folder="dedup_evaluation")
    )
    return Done(result=result)


def _parts(evaluation_id: str, window: JsonObject, charts: str) -> Iterator[str]:
    candidate = window["candidate"]
    yield (
        f"<header><p class=kind>Evaluation of dedup</p><h1>{candidate['rows']} held-out pairs</h1>"
        f"<p class=note><code>{escape(evaluation_id)}</code></p></header>\n"
    )
    compared = {
        "candidate": candidate,
        "active model": window.get("active") or {},
        "plain similarity": candidate.get("similarity") or {},
    }
    yield _table(compared)
    sure = _at_auto_merge(candidate.get("at_auto_merge") or {})
    yield f"<section><h2>Merging without a person</h2><p>{sure}</p></section>\n"
    yield "<section><h2>How sure, and how right</h2>"
    yield (
        "<p>Left: the precision at each recall, with the lower end of its interval dashed. Right: of the pairs to which"
        " a probability was given, the share that are merges; on the diagonal all is as was said. The expected"
        f" calibration error is {_shown((candidate.get('calibration') or {}).get('ece'))}.</p>"
    )
    yield f"{charts}</section>\n"
    for title, count, name in (("False merges", "false_merges", "false_merge_ids"), ("Misses", "misses", "miss_ids")):
        ids = "".join(f"<li><code>{escape(each)}</code></li>" for each in candidate.get(name) or [])
        head = f"<h2>{title}: {candidate.get(count, 0)}</h2>"
        yield f"<section>{head}<ul>{ids or '<li>none</li>'}</ul></section>\n"


def _at_auto_merge(point: JsonObject) -> str:
    """Return the sentence on merges at the policy's threshold of mode auto; a person may have applied another since."""
    if not point.get("merges"):
        return "At the policy's threshold no held-out pair was merged."
    level, low, high = policy().auto.confidence_level, _shown(point["low"]), _shown(point["high"])
    return (
        f"At the policy's threshold, a confidence of {point['threshold']:.2f} or more, {point['right']} of"
        f" {point['merges']} merges were right: a precision of {_shown(point['precision'])} ({level:.0%} interval {low}"
        f" to {high}) and a recall of {_shown(point['recall'])}."
    )


def _table(compared: Mapping[str, Mapping[str, Any]]) -> str:
    head = "".join(f"<th class=number>{name}</th>" for name in compared)
    body = "".join(f"<tr><td>{row}</td>{_cells(row, compared)}</tr>" for row in _ROWS)
    return f"<section><table><tr><th></th>{head}</tr>{body}</table></section>\n"


def _cells(row: str, compared: Mapping[str, Mapping[str, Any]]) -> str:
    return "".join(f"<td class=number>{_shown(each.get(row))}</td>" for each in compared.values())


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
