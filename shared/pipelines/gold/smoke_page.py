"""A smoke test as a page for people: how often which rule was broken, and every failure with input, output and rule.

What a model wrote is text here, whatever it holds.
"""

import json
from collections.abc import Sequence
from html import escape

from shared.contracts import JsonObject
from shared.page import document
from shared.pipelines.gold.smoke import SmokeCase, SmokeFigures, SmokeReport, object_of


def page(report: SmokeReport) -> bytes:
    """Return the page in UTF-8. Equal reports give equal bytes."""
    parts = [
        _title(report),
        _figures((("All", report.all), ("Held out", report.held_out), ("Not labelled", report.unlabelled))),
        _rules(report.broken),
        _failures(report.failures),
    ]
    return document(f"Smoke test of {report.model}", parts)


def _title(report: SmokeReport) -> str:
    version = f" · {escape(report.version)}" if report.version else ""
    return (
        f"<header><p class=kind>Smoke test of gold</p><h1>{escape(report.model)}</h1>"
        f"<p class=note>{escape(report.at)}{version} · job <code>{escape(report.job_id)}</code></p></header>\n"
    )


def _figures(groups: Sequence[tuple[str, SmokeFigures]]) -> str:
    cards = [
        f"<div class=card><h2>{escape(title)}</h2><p class=big>{_share(figures)}</p>"
        f"<p class=note>{figures.offenders} of {figures.rows} first answers broke a rule</p></div>"
        for title, figures in groups
    ]
    return f"<section class=cards>{''.join(cards)}</section>\n"


def _share(figures: SmokeFigures) -> str:
    return "none" if figures.offender_rate is None else f"{100 * figures.offender_rate:.1f}%"


def _rules(broken: dict[str, int]) -> str:
    if not broken:
        return ""
    most = max(broken.values())
    rows = [
        f"<tr><td><code>{escape(rule)}</code></td><td class=number>{count}</td>"
        f'<td><meter min="0" max="{most}" value="{count}">{count}</meter></td></tr>'
        for rule, count in sorted(broken.items(), key=lambda item: (-item[1], item[0]))
    ]
    return (
        "<section><h2>Rules that were broken</h2><table><thead><tr><th>Rule</th><th class=number>Answers</th><th></th>"
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></section>\n"
    )


def _failures(cases: Sequence[SmokeCase]) -> str:
    if not cases:
        return "<section><h2>Failures</h2><p class=good>None: no answer broke a rule.</p></section>\n"
    blocks = "".join(_failure(number, case) for number, case in enumerate(cases, 1))
    return f"<section><h2>Failures</h2>{blocks}</section>\n"


def _failure(number: int, case: SmokeCase) -> str:
    faults = "".join(f"<li><code>{escape(f.rule)}</code> {escape(f.message)}</li>" for f in case.faults)
    where = "held out" if case.held_out else "not labelled"
    return (
        f"<article><h3>{number}. <code>{escape(case.example_id)}</code> <span class=tag>{where}</span></h3>"
        f"<ul class=faults>{faults}</ul><div class=pair>"
        f"<div><h4>Input</h4><pre>{_pretty(case.snapshot)}</pre></div>"
        f"<div><h4>Output</h4><pre>{_output(case.answer)}</pre></div></div></article>\n"
    )


def _output(text: str) -> str:
    """Show an answer as it was given, laid out if it is a JSON object."""
    value = object_of(text)
    return _pretty(value) if value else escape(text)


def _pretty(value: JsonObject) -> str:
    return escape(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))
