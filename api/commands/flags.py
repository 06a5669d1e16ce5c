"""Options that many commands share, worded once."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
AsJsonToo = Annotated[bool, typer.Option("--as-json", help="Print JSON, for programs; --json is what goes in.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the job to its end, or return at once.")]
IdempotencyKey = Annotated[
    str | None, typer.Option(help="Sent again with the same key, the command starts nothing new.")
]
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many to show.")]
Cursor = Annotated[str | None, typer.Option(help="Go on from here: the cursor that the page before ended with.")]
Pipeline = Annotated[str | None, typer.Option(help="Only of this pipeline.")]
Surface = Annotated[str | None, typer.Option(help="Only of this surface.")]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        "--out",
        file_okay=False,
        help="Where to write the files that the step makes; by default where it means them.",
    ),
]
