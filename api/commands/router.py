"""What ``tuneyard router`` has besides its steps: sample data, a question to the model, a person's answer."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from api.commands import flags, output
from api.commands.client import open_api
from api.commands.uploads import Format, format_of
from shared.contracts import JsonObject
from shared.pipelines.router.contracts import Label


def add_to(app: typer.Typer) -> None:
    """Add these commands to the pipeline's group."""
    app.command()(query)
    app.command()(feedback)
    app.command("make-sample")(make_sample)


def query(
    text: Annotated[str, typer.Argument(help="The query to route.")],
    *,
    override: Annotated[Label | None, typer.Option(help="What you know it is: kept as ground truth.")] = None,
    as_json: flags.AsJson = False,
) -> None:
    """Ask how difficult a query is."""
    body: JsonObject = {"query": text} if override is None else {"query": text, "override": override}
    with open_api() as api:
        answer = api.post("/api/query", body)
    output.print_object(answer, as_json=as_json)


def feedback(
    query_id: Annotated[str, typer.Argument(metavar="QUERY", help="The queryId that the answer came with.")],
    label: Annotated[Label, typer.Argument(help="What the query truly is.")],
    *,
    as_json: flags.AsJson = False,
) -> None:
    """Say what a query truly was; the next training learns from it."""
    with open_api() as api:
        stored = api.post("/api/feedback", {"queryId": query_id, "label": label})
    output.print_object(stored, as_json=as_json)


def make_sample(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where to write: NAME.csv or NAME.jsonl.")],
    *,
    rows: Annotated[int, typer.Option(min=1, help="How many labelled queries.")] = 3000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same queries and labels.")] = 42,
) -> None:
    """Write plausible labelled queries to try the pipeline with; needs no running stack."""
    from shared.pipelines.router.sample import write_csv, write_jsonl

    write = write_csv if format_of(file) is Format.CSV else write_jsonl
    write(file, rows=rows, seed=seed, now=datetime.now(UTC))
    output.say(f"wrote {rows:,} labelled queries to {file}")
