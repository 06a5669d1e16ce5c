"""``tuneyard lineage``: where a thing comes from, and what came of it."""

from typing import Annotated

import typer
from rich.text import Text
from rich.tree import Tree

from api.commands import flags, output
from api.commands.client import open_api, path_of
from shared.contracts import JsonObject

_THREADS = {"came_from": "came from", "led_to": "led to"}
_COUNTED = {"dataset": "rows", "model": "answers"}


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
    """Draw a thing with two branches: what it came from, and what it led to."""
    tree = Tree(_label(node), guide_style="dim")
    for thread, title in _THREADS.items():
        if node[thread]:
            branch = tree.add(Text(title, style="italic"))
            branch.children.extend(_branch(each, thread) for each in node[thread])
    return tree


def _branch(node: JsonObject, thread: str) -> Tree:
    tree = Tree(_label(node), guide_style="dim")
    tree.children.extend(_branch(each, thread) for each in node[thread])
    return tree


def _label(node: JsonObject) -> Text:
    label = Text(f"{node['kind']} ", style="bold").append(output.cell(node["title"]).plain, style="default")
    label.append(f"  {node['id']}  {output.cell(node['at'])}", style="dim")
    if node["count"] is not None:
        label.append(f"  {node['count']:,} {_COUNTED.get(node['kind'], 'in all')}")
    return label
