"""``tuneyard review``: what a pipeline asks people, one item at a time: next items, a decision, its undoing, scores.

Skips, reworks and assignments are in ``review_work.py``.
"""

import json
from typing import Annotated

import typer

from api.commands import flags, output, review_work
from api.commands.client import open_api, path_of
from api.commands.errors import CommandError, ExitCode
from api.commands.output import Column
from api.commands.review_work import Item, Kind, PipelineName
from shared.contracts import JsonObject

app = typer.Typer(no_args_is_help=True, help="What people decide on: show, decide, undo, reveal, skip, assign.")
review_work.add_to(app)

KINDS = (Column("kind", "kind"), Column("about", "summary"), Column("decided", lambda it: sum(it["standing"].values())))


@app.command()
def kinds(pipeline: PipelineName, *, as_json: flags.AsJson = False) -> None:
    """List what a pipeline asks about; --json has the schemas of the decisions too."""
    with open_api() as api:
        found = api.get(path_of("review", pipeline))
    output.print_list(found, KINDS, as_json=as_json, more="")


@app.command("next")
def next_items(
    pipeline: PipelineName,
    kind: Kind,
    *,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 1,
    as_json: flags.AsJson = False,
) -> None:
    """Show the items to decide on next, without any score, what teaches most first."""
    with open_api() as api:
        found = api.get(path_of("review", pipeline, kind), limit=limit)
    if as_json:
        output.print_json(found)
        return
    for item in found["items"]:
        output.print_object({"item": item["id"], **item["content"]}, as_json=False)
    if not found["items"]:
        output.say("nothing waits for you")


@app.command()
def decide(
    pipeline: PipelineName,
    kind: Kind,
    item: Item,
    decision: Annotated[
        str, typer.Argument(metavar="DECISION", help="A word, as approve, or JSON, as '{\"stars\": 4}'.")
    ],
    *,
    subset: Annotated[
        list[str] | None, typer.Option(help="What a partial decision is about: an id; may be given again.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="Why; it is kept with the decision, for people only.")] = None,
    as_json: flags.AsJson = False,
) -> None:
    """Decide on an item. Deciding again replaces your decision before."""
    told = _decision(decision)
    if subset:
        told["subset"] = subset
    with open_api() as api:
        stored = api.post(path_of("review", pipeline, kind, item), {"decision": told, "note": note})
    output.print_object(stored, as_json=as_json)


@app.command()
def undo(
    pipeline: PipelineName,
    kind: Kind,
    item: Item,
    *,
    reviewer: Annotated[str | None, typer.Option(help="Whose decision, if not your own: for administrators.")] = None,
    as_json: flags.AsJson = False,
) -> None:
    """Take your decision back; the one that it had replaced, if any, stands again."""
    with open_api() as api:
        undone = api.post(path_of("review", pipeline, kind, item, "undo"), {"reviewer": reviewer})
    output.print_object(undone, as_json=as_json)


@app.command()
def progress(pipeline: PipelineName, kind: Kind, *, as_json: flags.AsJson = False) -> None:
    """Show how many items wait, and how far and how fast you are."""
    with open_api() as api:
        found = api.get(path_of("review", pipeline, kind, "progress"))
    output.print_object(found, as_json=as_json)


@app.command()
def reveal(pipeline: PipelineName, kind: Kind, item: Item, *, as_json: flags.AsJson = False) -> None:
    """Show an item's scores. That you saw them is written down."""
    with open_api() as api:
        shown = api.post(path_of("review", pipeline, kind, item, "reveal"))
    output.print_object(shown, as_json=as_json)


def _decision(text: str) -> JsonObject:
    if not text.lstrip().startswith("{"):
        return {"decision": text}
    try:
        told: JsonObject = json.loads(text)
    except ValueError:
        raise CommandError(
            "the decision is no JSON", advice="write a word, or a JSON object in quotes", exit_code=ExitCode.USAGE
        ) from None
    return told
