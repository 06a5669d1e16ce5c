"""``tuneyard datasets``: frozen sets of labelled examples."""

from typing import Annotated

import typer

from api.commands import flags, output
from api.commands.client import open_api, path_of
from api.commands.output import Column

app = typer.Typer(no_args_is_help=True, help="Datasets: list, show, diff.")

DatasetId = Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's id, as ds_…")]

COLUMNS = (
    Column("dataset", "id"),
    Column("pipeline", "pipeline"),
    Column("surface", "surface"),
    Column("rows", "row_count"),
    Column("splits", lambda dataset: ", ".join(f"{name} {rows:,}" for name, rows in dataset["split_counts"].items())),
    Column("created", "created_at"),
)


@app.command("list")
def list_datasets(
    *,
    pipeline: flags.Pipeline = None,
    surface: flags.Surface = None,
    limit: flags.Limit = 20,
    cursor: flags.Cursor = None,
    as_json: flags.AsJson = False,
) -> None:
    """List datasets, newest first."""
    with open_api() as api:
        page = api.get("/v1/datasets", pipeline=pipeline, surface=surface, limit=limit, cursor=cursor)
    output.print_list(page, COLUMNS, as_json=as_json, more="--cursor")


@app.command()
def show(dataset: DatasetId, *, as_json: flags.AsJson = False) -> None:
    """Show a dataset: its rows, splits, seed and hash."""
    with open_api() as api:
        found = api.get(path_of("datasets", dataset))
    output.print_object(found, as_json=as_json)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="A", help="The dataset before.")],
    new: Annotated[str, typer.Argument(metavar="B", help="The dataset after.")],
    *,
    change: Annotated[
        str | None, typer.Option(help="List only: added, removed, changed, label or split.", metavar="KIND")
    ] = None,
    limit: flags.Limit = 20,
    cursor: flags.Cursor = None,
    as_json: flags.AsJson = False,
) -> None:
    """Compare two datasets example by example: what was added, removed, changed."""
    with open_api() as api:
        found = api.get(path_of("datasets", old, "diff", new), change=change, limit=limit, cursor=cursor)
    output.print_object(found, as_json=as_json)
