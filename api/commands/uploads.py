"""``tuneyard PIPELINE import FILE``: sends a file as it is, in constant memory, and follows the job."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from api.commands import flags
from api.commands.client import open_api, path_of
from api.commands.errors import CommandError, ExitCode
from api.commands.files import chunks_of
from api.commands.following import finish
from shared.pipeline import Step


class Format(StrEnum):
    """Formats of labelled examples."""

    CSV = "csv"
    JSONL = "jsonl"


_TYPES = {Format.CSV: "text/csv", Format.JSONL: "application/x-ndjson"}
_SUFFIXES = {".csv": Format.CSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL}


def import_command(step: Step[Any]) -> Callable[..., None]:
    """Build the command that uploads a file to an import step."""

    def upload(
        file: Annotated[
            Path,
            typer.Argument(exists=True, dir_okay=False, readable=True, help="The file with labelled examples."),
        ],
        *,
        file_format: Annotated[
            Format | None,
            typer.Option("--format", help="What the file is; by default its name's ending says."),
        ] = None,
        wait: flags.Wait = True,
        as_json: flags.AsJson = False,
        idempotency_key: flags.IdempotencyKey = None,
    ) -> None:
        content_type = _TYPES[file_format or format_of(file)]
        with open_api() as api, file.open("rb") as content:
            chunks = chunks_of(content, file.stat().st_size)
            path = path_of(step.pipeline, step.name)
            job = api.upload(path, chunks, content_type=content_type, idempotency_key=idempotency_key)
            finish(api, job, wait=wait, as_json=as_json)

    return upload


def format_of(file: Path) -> Format:
    """Tell the format from the file's name. Raises ``CommandError`` (usage) when it does not say."""
    try:
        return _SUFFIXES[file.suffix.lower()]
    except KeyError:
        raise CommandError(
            f"cannot tell the format of {file.name}",
            advice="add --format csv or jsonl",
            exit_code=ExitCode.USAGE,
        ) from None
