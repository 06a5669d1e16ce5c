"""The demo's table of the stages: from packs to a promoted model of one of them."""

from collections import Counter

from rich.table import Table
from rich.text import Text

from api.commands.output import STATE_STYLES
from api.demo.stages import STAGE, StagesFindings
from shared.contracts import JsonObject

_SHOWN = ("schema_validity", "grounding", "agreement", "homogeneity")


def stages_table(found: StagesFindings) -> Table:
    """Build the table."""
    table = Table(title=f"Stages: from packs to a shipped model of {STAGE}", title_justify="left")
    table.add_column("", style="bold", no_wrap=True)
    table.add_column("", ratio=1)
    packs = found.packs
    table.add_row("packs", f"{packs['packs']:,} businesses of {len(packs['industries'])} industries")
    table.add_row("candidates", f"{found.candidates['candidates']:,} rows of five stages, all waiting for a person")
    table.add_row("first ship", str(found.blocked["sentence"]))
    table.add_row("approved", f"{found.approved:,} rows, each with a note")
    table.add_row("dry run", str(found.ready["sentence"]))
    table.add_row("live", str(found.shipped["sentence"]))
    table.add_row("verdicts", _verdicts(found.shipped))
    table.add_section()
    table.add_row("evals of the stage", _figures(found.evals["stages"][STAGE]["figures"]))
    table.add_row("all five in a row", _figures(found.evals["pipeline"]["figures"]))
    paths = Counter(answer["path"] for answer in found.answers)
    table.add_row("guarded answers", ", ".join(f"{count} by {path}" for path, count in paths.most_common()))
    constraint = found.answers[0]["answer"]["primary_constraint"]["statement"]
    table.add_row("one of them", str(constraint))
    return table


def _verdicts(shipped: JsonObject) -> Text:
    """Name what does not pass; of what passes only how much it is."""
    lines = Text(f"{sum(verdict['outcome'] == 'pass' for verdict in shipped['verdicts'])} gates passed\n")
    for verdict in shipped["verdicts"]:
        if verdict["outcome"] == "pass":
            continue
        lines.append(f"{verdict['gate']}: ")
        lines.append(verdict["outcome"], style=STATE_STYLES.get(verdict["outcome"], ""))
        lines.append(f": {verdict['sentence']}\n")
    lines.rstrip()
    return lines


def _figures(figures: JsonObject) -> str:
    shown = [f"{name.replace('_', ' ')} {figures[name]:.2f}" for name in _SHOWN if figures.get(name) is not None]
    return ", ".join(shown) or "none"
