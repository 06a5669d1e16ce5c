"""``tuneyard keys``: who may use the API, and for what."""

from typing import Annotated

import typer

from api.commands import flags, output
from api.commands.client import open_api, path_of
from api.commands.output import Column
from shared.contracts import Scope

app = typer.Typer(no_args_is_help=True, help="API keys: list, create, revoke.")

COLUMNS = (
    Column("key", "id"),
    Column("name", "name"),
    Column("scopes", "scopes"),
    Column("created", "created_at"),
    Column("revoked", "revoked_at"),
)


@app.command("list")
def list_keys(*, limit: flags.Limit = 50, cursor: flags.Cursor = None, as_json: flags.AsJson = False) -> None:
    """List keys, newest first; the keys themselves are not stored and cannot be shown."""
    with open_api() as api:
        page = api.get("/v1/keys", limit=limit, cursor=cursor)
    output.print_list(page, COLUMNS, as_json=as_json, more="--cursor")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who will use it; shown as the actor of its jobs.")],
    *,
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it may do; repeat the option. By default only submit.")
    ] = None,
    as_json: flags.AsJson = False,
) -> None:
    """Create a key and print it, this once."""
    scopes = [each.value for each in scope or [Scope.SUBMIT]]
    with open_api() as api:
        created = api.post("/v1/keys", {"name": name, "scopes": scopes})
    if as_json:
        output.print_json(created)
        return
    output.say(created["key"])
    output.note(f"{created['id']}: keep the key, it is not shown again")


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key's id, as key_…")],
    *,
    as_json: flags.AsJson = False,
) -> None:
    """Revoke a key; within seconds no API process takes it any more."""
    with open_api() as api:
        revoked = api.post(path_of("keys", key, "revoke"))
    if as_json:
        output.print_json(revoked)
    else:
        output.say(f"{revoked['id']} ({revoked['name']}) is revoked")
