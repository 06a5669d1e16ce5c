"""The demo's table of dedup: from statements to a model that merges new ones, with the false merges counted."""

from typing import Final

from rich.table import Table
from rich.text import Text

from api.commands.output import STATE_STYLES
from api.demo.dedup import DedupFindings
from shared.contracts import JsonObject

_GATES: Final = {"pass": "passed", "fail": "failed"}


def dedup_table(found: DedupFindings) -> Table:
    """Build the table."""
    table = Table(title="Dedup: from statements to a model that merges new ones", title_justify="left")
    table.add_column("", style="bold", no_wrap=True)
    table.add_column("", ratio=1)
    clusters, said = found.clusters, found.decisions
    table.add_row("insights", f"{found.taken_in['new']:,} of {found.taken_in['statements']:,} statements")
    table.add_row("clusters", f"{clusters['clusters']:,} of {clusters['clustered_insights']:,} insights")
    table.add_row(
        "decisions", f"{said['approve']:,} approved, {said['partial']:,} in part, {said['reject']:,} rejected"
    )
    table.add_row("fine-tune", str(found.fine_tune["message"]).partition(" Monitor")[0])
    table.add_row("verdicts", _verdicts(found.evaluation))
    table.add_row("promotion", str(found.promotion["sentence"]))
    table.add_row("thresholds", str(found.proposed["sentence"]))
    table.add_row("mode auto", f"{'allowed' if found.auto['allowed'] else 'refused'}: {found.auto['sentence']}")
    table.add_section()
    batch = found.batch
    table.add_row("new batch", f"{batch['statements']:,} statements, {found.duplicates:,} of them said before")
    table.add_row(
        "what came of it",
        f"{batch['merged']:,} merged, {batch['proposed']:,} for a person, {batch['new']:,} new",
    )
    table.add_row("false merges", f"{found.false_merges:,} of {found.merged:,}")
    return table


def _verdicts(evaluation: JsonObject) -> Text:
    lines = Text()
    for verdict in evaluation["verdicts"]:
        lines.append(f"{verdict['gate']}: ")
        word = _GATES.get(verdict["outcome"], verdict["outcome"])
        lines.append(word, style=STATE_STYLES.get(verdict["outcome"], ""))
        lines.append(f": {verdict['sentence']}\n")
    lines.rstrip()
    return lines
