"""An eval as a page for people: what was asked of each stage and of the pipeline, what was reached, and by whom."""

from collections.abc import Iterator
from html import escape
from typing import Final

from shared.contracts import Outcome, Verdict
from shared.page import document
from shared.pipelines.stages.evals import PIPELINE, EvalsReport, StageEval

_MARKS: Final = {Outcome.PASS: "passed", Outcome.FAIL: "failed", Outcome.INSUFFICIENT: "too little evidence"}


def page(report: EvalsReport) -> bytes:
    """Return the page in UTF-8. Equal reports give equal bytes."""
    return document("Evals of stages", _parts(report))


def _parts(report: EvalsReport) -> Iterator[str]:
    title = "All evals passed" if report.passed else "Some evals did not pass"
    yield (
        f"<header><p class=kind>Evals of stages</p><h1>{title}</h1>"
        f"<p class=note>{escape(report.at)} · job <code>{escape(report.job_id)}</code></p></header>\n"
    )
    found: list[tuple[str, StageEval]] = [*report.stages.items(), (PIPELINE, report.pipeline)]
    cards = "".join(_card(name, each) for name, each in found)
    yield f"<section class=cards>{cards}</section>\n"
    for name, each in found:
        yield _section(name, each)


def _card(name: str, each: StageEval) -> str:
    failed = sum(verdict.outcome is not Outcome.PASS for verdict in each.verdicts)
    said = "passed" if each.passed else f"{failed} against"
    return (
        f"<div class=card><h2>{escape(name)}</h2><p class=big>{said}</p>"
        f"<p class=note>{each.rows} {'businesses' if name == PIPELINE else 'rows'}</p></div>"
    )


def _section(name: str, each: StageEval) -> str:
    verdicts = "".join(_verdict(verdict) for verdict in each.verdicts)
    figures = "".join(
        f"<tr><td><code>{escape(figure)}</code></td><td class=number>{_shown(value)}</td></tr>"
        for figure, value in sorted(each.figures.items())
        if not isinstance(value, dict)
    )
    broken = "".join(
        f"<tr><td><code>{escape(rule)}</code></td><td class=number>{count}</td></tr>"
        for rule, count in each.figures.get("broken", {}).items()
    )
    return (
        f"<section><h2>{escape(name)}</h2><p class=note>Answered by {escape(each.answered_by)}</p>"
        f"<table><thead><tr><th>Gate</th><th>Verdict</th><th>Why</th></tr></thead><tbody>{verdicts}</tbody></table>"
        f"<h3>Figures</h3><table><tbody>{figures}</tbody></table>"
        f"{f'<h3>Rules that were broken</h3><table><tbody>{broken}</tbody></table>' if broken else ''}</section>\n"
    )


def _verdict(verdict: Verdict) -> str:
    style = " class=good" if verdict.outcome is Outcome.PASS else ""
    return (
        f"<tr><td><code>{escape(verdict.gate)}</code></td><td{style}>{_MARKS[verdict.outcome]}</td>"
        f"<td>{escape(verdict.sentence)}</td></tr>"
    )


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "none" if value is None else escape(str(value))
