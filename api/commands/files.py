"""Files of commands: those that a step takes are sent first, those that it has made are written into a folder."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from pydantic import BaseModel
from rich.progress import wrap_file

from api.commands import output
from api.commands.client import Api, path_of
from api.commands.errors import CommandError, ExitCode
from api.commands.options import file_help, flag_of, holds_upload, is_name, takes_folder
from shared.contracts import JsonObject
from shared.files import files_of_result

NO_FILE: Final = "0" * 64
"""Stands for a file that is not sent yet, so that all other parameters are checked before it is."""

_CHUNK_BYTES: Final = 1 << 18


def chunks_of(content: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the file piece by piece, with a progress bar of ``size`` bytes when a person is watching."""
    console = output.err()
    with wrap_file(
        content, size, description="sending", console=console, disable=not console.is_terminal, transient=True
    ) as watched:
        while chunk := watched.read(_CHUNK_BYTES):
            yield chunk


def upload_names(model: type[BaseModel]) -> list[str]:
    """Return the parameters that are files."""
    return [name for name, field in model.model_fields.items() if holds_upload(field)]


def names_as_text(model: type[BaseModel], given: Mapping[str, Any]) -> JsonObject:
    """Return the parameters with text in the place of a path that is the name of something else (``is_name``)."""
    fields = model.model_fields
    return {
        name: str(value) if isinstance(value, Path) and is_name(fields[name], value) else value
        for name, value in given.items()
    }


def require_files(model: type[BaseModel], given: Mapping[str, Any]) -> None:
    """Raise ``CommandError`` (usage) for a path without a file behind it; it says what the step wants there."""
    for name in upload_names(model):
        if isinstance(given[name], str):
            continue
        field = model.model_fields[name]
        paths = given[name] if isinstance(given[name], list | tuple) else [given[name]]
        for path in paths:
            if path is not None and not (path.is_file() or (path.is_dir() and takes_folder(field))):
                raise CommandError(
                    f"--{flag_of(name, field)}: there is no file {path}",
                    advice=f"check the path. What it takes: {file_help(field)}",
                    exit_code=ExitCode.USAGE,
                )


def unsent(given: Mapping[str, Any], names: list[str]) -> JsonObject:
    """Return the parameters as they would be if every file were sent."""
    return {name: _each(value, lambda _: NO_FILE) if name in names else value for name, value in given.items()}


def send_uploads(api: Api, given: Mapping[str, Any], names: list[str]) -> JsonObject:
    """Send every file among the parameters; return them with what stands for the files."""
    return {
        name: _each(value, lambda path: _send(api, path)) if name in names else value for name, value in given.items()
    }


def _each(value: Any, change: Callable[[Any], str]) -> Any:
    if isinstance(value, list | tuple):
        return [change(inner) for inner in value]
    return value if value is None else change(value)


def _send(api: Api, path: Path) -> str:
    try:
        with zipped(path) if path.is_dir() else path.open("rb") as content:
            chunks = chunks_of(content, os.fstat(content.fileno()).st_size)
            sent = api.upload("/v1/uploads", chunks, content_type="application/octet-stream")
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}", exit_code=ExitCode.USAGE) from error
    upload: str = sent["upload"]
    return upload


def zipped(folder: Path) -> BinaryIO:
    """Return a zip of the files of a folder, without links and hidden ones; the same files give the same bytes.

    It lies in a file without a name, which is gone when it is closed. Raises OSError.
    """
    out = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
    with zipfile.ZipFile(out, "w") as pack:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_symlink() or not path.is_file() or any(part.startswith(".") for part in name.parts):
                continue
            info = zipfile.ZipInfo(name.as_posix())
            with path.open("rb") as source, pack.open(info, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)
    out.seek(0)
    return cast("BinaryIO", out)


def write_files(api: Api, job: JsonObject, folder: Path | None) -> list[Path]:
    """Write the files of a job's result, if it has any, into a folder (by default the one that the step means).

    A file that is there already with other content is kept under another name: a person may have worked on it.
    """
    files = files_of_result(job.get("result"))
    if files is None:
        return []
    place = folder if folder is not None else Path(files.folder)
    written = []
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name in files.sizes:
            target = _below(place, name)
            part = target.with_name(f".{target.name}.part")
            api.download(path_of("jobs", job["id"], "files", *name.split("/")), part)
            _replace(part, target)
            written.append(target)
    except OSError as error:
        raise CommandError(
            f"cannot write into {place}: {error.strerror}",
            advice=f"tuneyard jobs files {job['id']} --folder FOLDER",
        ) from error
    return written


def _below(place: Path, name: str) -> Path:
    """Return where a file goes, its folders made. Raises CommandError where a link on the way leads out of the place.

    The name itself has no part that could (``shared/files.py``).
    """
    folder = place
    for part in name.split("/")[:-1]:
        folder /= part
        if folder.is_symlink():
            raise CommandError(f"{folder} is a link: nothing is written through it", advice="choose another --folder")
        folder.mkdir(exist_ok=True)
    return place / name


def _replace(part: Path, target: Path) -> None:
    """Put a new file in its place; what was there is kept unless it is the same."""
    if target.exists() and not _same(part, target):
        number = 1
        while (kept := target.with_name(f"{target.name}.{number}")).exists():
            number += 1
        target.rename(kept)
        output.note(f"{target} was there already: it is now {kept.name}", style="yellow")
    part.replace(target)


def _same(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()


def say_written(paths: list[Path], *, as_json: bool) -> None:
    """Name the files that were written; beside JSON that is for programs, on standard error."""
    for path in paths:
        (output.note if as_json else output.say)(f"wrote {path}")
