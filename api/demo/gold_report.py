"""The demo's table of gold: how often first answers break rules, before training, after it, and after corrections."""

from collections import Counter

from rich.table import Table
from rich.text import Text

from api.commands.output import STATE_STYLES
from api.demo.gold import GoldFindings
from shared.contracts import JsonObject


def gold_table(found: GoldFindings) -> Table:
    """Build the table."""
    table = Table(title="Gold: from reports to a guarded answer", title_justify="left")
    table.add_column("", style="bold", no_wrap=True)
    table.add_column("", ratio=1)
    first, second = found.first, found.second
    table.add_row("snapshots", f"{found.examples:,}, of which a person has decided {found.approved:,}")
    table.add_row("first fine-tune", _promotion(first))
    table.add_row("verdicts", _verdicts(first))
    table.add_row("second fine-tune", _promotion(second))
    table.add_row("verdicts", _verdicts(second))
    table.add_section()
    for title, figures in _offenders(found):
        table.add_row(title, figures)
    table.add_section()
    paths = Counter(answer["path"] for answer in found.answers)
    table.add_row("guarded answers", ", ".join(f"{count} by {path}" for path, count in paths.most_common()))
    surest = max(found.answers, key=lambda answer: answer["confidence"])
    table.add_row("the surest of them", "{decision} {boundary}".format(**surest["answer"]))
    table.add_row("its evidence", ", ".join(surest["answer"]["evidence"]) or "none")
    return table


def _promotion(result: JsonObject) -> str:
    return str(result["sentence"])


def _verdicts(result: JsonObject) -> Text:
    lines = Text()
    for verdict in result["verdicts"]:
        lines.append(f"{verdict['gate']}: ")
        lines.append(verdict["outcome"], style=STATE_STYLES.get(verdict["outcome"], ""))
        lines.append(f": {verdict['sentence']}\n")
    lines.rstrip()
    return lines


def _offenders(found: GoldFindings) -> list[tuple[str, str]]:
    """Return the share of first answers to held-out snapshots that broke a rule, for each model that was tried."""
    tried = (
        ("offenders, untuned base", found.untuned),
        ("offenders before corrections", found.second["before"]),
        ("offenders after them", found.second["after"]),
    )
    return [(title, _rate(figures) if figures else "not tried") for title, figures in tried]


def _rate(figures: JsonObject) -> str:
    rate = figures["offender_rate"]
    share = "" if rate is None else f" ({rate:.1%})"
    return f"{figures['offenders']} of {figures['rows']} first answers{share}"
