"""``tuneyard lineage``: where a thing comes from, and what came of it."""

from typing import Annotated

import typer
from rich.text import Text
from rich.tree import Tree

from api.commands import flags, output
from api.commands.client import open_api, path_of
from shared.contracts import JsonObject

_THREADS = {"came_from": "came from", "led_to": "led to"}


def lineage(
    thing: Annotated[
        str, typer.Argument(metavar="ID", help="A prediction, model, promotion, evaluation, job, dataset or example.")
    ],
    *,
    as_json: flags.AsJson = False,
) -> None:
    """Walk from a prediction to who labelled its training examples, and back down."""
    with open_api() as api:
        found = api.get(path_of("lineage", thing))
    if as_json:
        output.print_json(found)
    else:
        output.out().print(tree_of(found))


def tree_of(node: JsonObject) -> Tree:
    """Draw a node; under it what it came from and what it led to."""
    tree = Tree(_label(node), guide_style="dim")
    for thread, title in _THREADS.items():
        if node[thread]:
            branch = tree.add(Text(title, style="dim"))
            branch.children.extend(tree_of(each) for each in node[thread])
    return tree


def _label(node: JsonObject) -> Text:
    label = Text(f"{node['kind']} ", style="bold").append(node["title"], style="default")
    for fact in ("id", "at", "count"):
        if node[fact] is not None:
            label.append("  ").append(output.cell(node[fact]).plain, style="dim")
    return label
