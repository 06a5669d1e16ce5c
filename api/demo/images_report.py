"""The demo's table of images: a trained network beside the baseline, on webcams that neither has seen."""

from typing import Final

from rich.table import Table
from rich.text import Text

from api.commands.output import STATE_STYLES, figure
from api.demo.images import ImagesFindings
from shared.contracts import JsonObject

_FIGURES: Final = ("accuracy", "auc", "f1")


def images_table(found: ImagesFindings) -> Table:
    """Build the table."""
    table = Table(title="Images: from webcam pictures to a network", title_justify="left")
    table.add_column("", style="bold", no_wrap=True)
    table.add_column("", ratio=1)
    candidate = found.evaluation["metrics"]["all"]["candidate"]
    table.add_row("pictures", str(found.imported["sentence"]))
    kinds = found.ratings["kinds"]
    table.add_row("ratings", ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()))
    table.add_row("manifests", str(found.manifests["sentence"]))
    table.add_row("model", str(found.trained["version"]))
    table.add_section()
    table.add_row("unseen webcams", f"{candidate['rows']} pictures of {candidate['webcams']} webcams")
    for name in _FIGURES:
        table.add_row(name, f"network {figure(candidate[name])}, baseline {figure(candidate['baseline'][name])}")
    table.add_row("verdicts", _verdicts(found.evaluation))
    table.add_row("promotion", str(found.promotion["sentence"]))
    table.add_section()
    table.add_row("scored", str(found.scored["sentence"]))
    paths = ", ".join(f"{count} by {path}" for path, count in found.paths().most_common())
    table.add_row("asked at once", f"{len(found.answers)} ({paths})")
    table.add_row("disagreements", str(found.disagreements["sentence"]))
    return table


def _verdicts(evaluation: JsonObject) -> Text:
    lines = Text()
    for verdict in evaluation["verdicts"]:
        lines.append(f"{verdict['gate']}: ")
        lines.append(verdict["outcome"], style=STATE_STYLES.get(verdict["outcome"], ""))
        lines.append(f": {verdict['sentence']}\n")
    lines.rstrip()
    return lines
