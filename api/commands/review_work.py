"""``tuneyard review skip``, ``rework``, ``put-back``, ``reworks``, ``assign``, ``release``: all but deciding."""

from collections.abc import Callable
from typing import Annotated, Final

import typer

from api.commands import flags, output
from api.commands.client import open_api, path_of
from api.commands.errors import CommandError, ExitCode
from api.commands.output import Column
from shared.contracts import JsonObject

PipelineName = Annotated[str, typer.Argument(metavar="PIPELINE", help="A pipeline that asks people, as dedup.")]
Kind = Annotated[str, typer.Argument(metavar="KIND", help="What is decided on, as clusters.")]
Item = Annotated[str, typer.Argument(metavar="ITEM", help="The item's id.")]
_SomeItem = Annotated[str | None, typer.Argument(metavar="[ITEM]", help="The item's id; without, see --count, --all.")]
_Reviewer = Annotated[str | None, typer.Option(help="Another person than yourself: for administrators.")]

REWORKS: Final = (
    Column("item", "item"), Column("by", "reviewer"), Column("since", "at"), Column("reason", "reason"),
)  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Add these commands to those of ``tuneyard review``."""
    commands: dict[str, Callable[..., None]] = {
        "skip": skip, "rework": rework, "put-back": put_back, "reworks": reworks, "assign": assign, "release": release,
    }  # fmt: skip
    for name, command in commands.items():
        app.command(name)(command)


def skip(
    pipeline: PipelineName,
    kind: Kind,
    item: Item,
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Show it again.")] = False,
    as_json: flags.AsJson = False,
) -> None:
    """Do not show you an item for a day, or until nothing else waits."""
    with open_api() as api:
        done = api.post(path_of("review", pipeline, kind, item, "unskip" if undo else "skip"))
    output.print_object(done, as_json=as_json)


def rework(
    pipeline: PipelineName,
    kind: Kind,
    item: Item,
    reason: Annotated[str, typer.Argument(metavar="REASON", help="What must be put right first.")],
    *,
    as_json: flags.AsJson = False,
) -> None:
    """Say that an item cannot be decided as it is: nobody is asked until it is put back."""
    with open_api() as api:
        done = api.post(path_of("review", pipeline, kind, item, "rework"), {"reason": reason})
    output.print_object(done, as_json=as_json)


def put_back(pipeline: PipelineName, kind: Kind, item: Item, *, as_json: flags.AsJson = False) -> None:
    """Let people decide on an item again that needed rework."""
    with open_api() as api:
        done = api.post(path_of("review", pipeline, kind, item, "put-back"))
    output.print_object(done, as_json=as_json)


def reworks(
    pipeline: PipelineName,
    kind: Kind,
    *,
    limit: flags.Limit = 50,
    cursor: flags.Cursor = None,
    as_json: flags.AsJson = False,
) -> None:
    """List the items that need rework, and why."""
    with open_api() as api:
        found = api.get(path_of("review", pipeline, kind, "reworks"), limit=limit, cursor=cursor)
    output.print_list(found, REWORKS, as_json=as_json, more="--cursor")


def assign(
    pipeline: PipelineName,
    kind: Kind,
    item: _SomeItem = None,
    *,
    count: Annotated[int | None, typer.Option(min=1, max=500, help="The next so many open items.")] = None,
    reviewer: _Reviewer = None,
    as_json: flags.AsJson = False,
) -> None:
    """Let one person decide on an item, or on the next open ones: nobody else is shown them until then."""
    if (item is None) == (count is None):
        raise CommandError("which items?", advice="name one, or say --count", exit_code=ExitCode.USAGE)
    told: JsonObject = {"reviewer": reviewer} | ({} if count is None else {"count": count})
    parts = ("assign",) if item is None else (item, "assign")
    with open_api() as api:
        done = api.post(path_of("review", pipeline, kind, *parts), told)
    output.print_object(done, as_json=as_json)


def release(
    pipeline: PipelineName,
    kind: Kind,
    item: _SomeItem = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All that one person has not decided on yet.")] = False,
    reviewer: Annotated[str | None, typer.Option(help="With --all: another person's, for administrators.")] = None,
    as_json: flags.AsJson = False,
) -> None:
    """Let an item be for everybody again, or all that one person was assigned."""
    if (item is None) != every:
        raise CommandError("which items?", advice="name one, or say --all", exit_code=ExitCode.USAGE)
    with open_api() as api:
        if item is None:
            done = api.post(path_of("review", pipeline, kind, "release"), {"reviewer": reviewer})
        else:
            done = api.post(path_of("review", pipeline, kind, item, "release"))
    output.print_object(done, as_json=as_json)
