"""``tuneyard lineage``: where a thing comes from, and what came of it."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.text import Text
from rich.tree import Tree

from api.commands import flags, output
from api.commands.client import open_api, path_of
from shared.contracts import JsonObject


def lineage(
    thing: Annotated[
        str, typer.Argument(metavar="ID", help="A prediction, model, promotion, job, dataset, example or evaluation.")
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


def tree_of(node: JsonObject, name: str = "") -> Tree:
    """Draw a node with its facts, and under it what is nested in it, by field name."""
    tree = Tree(_label(node, name), guide_style="dim")
    for field, value in node.items():
        for child in _nodes(value):
            tree.add(tree_of(child, field))
    return tree


def _label(node: JsonObject, name: str) -> Text:
    label = Text(f"{name} " if name else "", style="dim")
    label.append(str(node.get("id", "")), style="bold")
    facts = (f"{field} {output.cell(value)}" for field, value in node.items() if _is_fact(field, value))
    return label.append(f"  {', '.join(facts)}", style="default")


def _is_fact(field: str, value: Any) -> bool:
    return field != "id" and value not in (None, "", [], {}) and not any(True for _ in _nodes(value))


def _nodes(value: Any) -> Iterator[JsonObject]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
