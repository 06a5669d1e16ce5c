"""``tuneyard models``: the registry, and who may answer."""

from typing import Annotated

import typer

from api.commands import flags, output
from api.commands.client import open_api, path_of
from api.commands.following import finish
from api.commands.output import Column
from shared.contracts import JsonObject, ModelState

app = typer.Typer(no_args_is_help=True, help="Models: list, show, card, activate, deactivate, rollback.")

ModelId = Annotated[str, typer.Argument(metavar="MODEL", help="The model's id, as mdl_…")]
Reason = Annotated[str, typer.Option(help="Why; kept in the history for good.")]


def _metric(window: str, name: str) -> Column:
    def value(model: JsonObject) -> float | None:
        scores = (model.get("metrics") or {}).get(window) or {}
        found: float | None = (scores.get("candidate") or {}).get(name)
        return found

    return Column(f"{name} ({window})", value)


COLUMNS = (
    Column("model", "id"),
    Column("pipeline", "pipeline"),
    Column("surface", "surface"),
    Column("version", "version"),
    Column("state", "state"),
    _metric("all", "accuracy"),
    _metric("recent", "accuracy"),
    Column("created", "created_at"),
)


@app.command("list")
def list_models(
    *,
    pipeline: flags.Pipeline = None,
    surface: flags.Surface = None,
    state: Annotated[ModelState | None, typer.Option(help="Only in this state.")] = None,
    limit: flags.Limit = 20,
    cursor: flags.Cursor = None,
    as_json: flags.AsJson = False,
) -> None:
    """List models, newest first, with the accuracy of their latest evaluation."""
    query = {
        "pipeline": pipeline, "surface": surface, "state": state and state.value, "limit": limit, "cursor": cursor,
    }  # fmt: skip
    with open_api() as api:
        page = api.get("/v1/models", **query)
    output.print_list(page, COLUMNS, as_json=as_json, more="--cursor")


@app.command()
def show(model: ModelId, *, as_json: flags.AsJson = False) -> None:
    """Show a model: its hash, dataset, parameters, library versions and metrics."""
    with open_api() as api:
        found = api.get(path_of("models", model))
    output.print_object(found, as_json=as_json)


@app.command()
def card(model: ModelId) -> None:
    """Print a model's card (Markdown)."""
    with open_api() as api:
        text = api.text(path_of("models", model, "card"))
    output.say(text)


@app.command()
def activate(
    model: ModelId,
    *,
    reason: Reason,
    force: Annotated[bool, typer.Option("--force", help="Even without an evaluation that it passed.")] = False,
    accept_sunset: Annotated[
        bool, typer.Option("--accept-sunset", help="Even if its provider ends it within weeks.")
    ] = False,
    wait: flags.Wait = True,
    as_json: flags.AsJson = False,
) -> None:
    """Make a model the active one, by a person's decision."""
    body = {"reason": reason, "force": force, "accept_sunset": accept_sunset}
    _change(model, "activate", body, wait=wait, as_json=as_json)


@app.command()
def deactivate(model: ModelId, *, reason: Reason, wait: flags.Wait = True, as_json: flags.AsJson = False) -> None:
    """Take the active model out of service; the pipeline answers with its fallback."""
    _change(model, "deactivate", {"reason": reason}, wait=wait, as_json=as_json)


@app.command()
def rollback(model: ModelId, *, reason: Reason, wait: flags.Wait = True, as_json: flags.AsJson = False) -> None:
    """Go back to this model: it is loaded and tried first, then made the active one."""
    _change(model, "rollback", {"reason": reason}, wait=wait, as_json=as_json)


def _change(model: str, action: str, body: JsonObject, *, wait: bool, as_json: bool) -> None:
    with open_api() as api:
        finish(api, api.post(path_of("models", model, action), body), wait=wait, as_json=as_json)
