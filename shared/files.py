"""Files that go into a step and files that come out of it, as artifacts: jobs and messages carry their hashes only.

A parameter of the type ``Upload`` names a file that was sent to ``POST /v1/uploads`` before; the command line takes a
path there and sends the file itself. A result with a field ``files`` (``ResultFiles``) names files that the step has
made; ``GET /v1/jobs/{id}/files`` lists them, and the command line writes them into a folder.
"""

import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

from pydantic import Field, ValidationError

from shared.artifacts import ArtifactStore, FileRef, Manifest, TransientStore
from shared.contracts import Contract
from shared.errors import CorruptError, InvalidInputError, NotFoundError
from shared.pipeline import Run

UPLOAD: Final = "upload"
RESULT: Final = "files"
UPLOAD_MARK: Final = "tuneyard-upload"
"""The format that marks an upload in a JSON schema."""

UPLOAD_DESCRIPTION: Final = "A file that was uploaded before (`POST /v1/uploads`), by its SHA-256."
_ONLY_FILE: Final = "file"

Upload = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{64}$",
        description=UPLOAD_DESCRIPTION,
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
        json_schema_extra={"format": UPLOAD_MARK},
    ),
]
"""The type of a step's parameter that is a file."""

_PART: Final = "[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"
FILE_NAME: Final = rf"^({_PART}/){{0,7}}{_PART}$"
"""A plain name, perhaps with folders before it: relative, and no part begins with a dot, so that it leads nowhere else
than below the folder that it is written into."""
FileName = Annotated[str, Field(pattern=FILE_NAME)]


class ResultFiles(Contract):
    """Files that a step has made: the artifact's hash, each file's size in bytes, and the folder they are meant for.

    A file's name may have folders of its own (``train/reports/one.json``); they lie below that folder.
    """

    manifest: str = Field(pattern=r"^[0-9a-f]{64}$")
    sizes: dict[FileName, int]
    folder: str = Field(default=".", pattern=r"^(\.|[A-Za-z0-9_][A-Za-z0-9_-]{0,62})$")
    """Where the command line writes them unless told otherwise, relative to where it runs."""


def uploads_of(artifacts: ArtifactStore) -> TransientStore:
    """Return where uploaded files are kept, apart from all artifacts, for a time only: they may hold personal data."""
    return artifacts.wing("uploads")


def forget_uploads(artifacts: ArtifactStore, *, before: datetime, wanted: Iterable[str]) -> int:
    """Delete files that were uploaded before a time, but those that unfinished jobs want; returns how many blobs.

    ``wanted`` may name anything; what is no upload among it does no harm.
    """
    uploads, kept = uploads_of(artifacts), set[str]()
    for sha256 in wanted:
        with suppress(NotFoundError, CorruptError):
            kept |= {sha256, *(file.sha256 for file in uploads.manifest(sha256).files.values())}
    old = [blob.sha256 for blob in uploads.blobs() if blob.written_at < before and blob.sha256 not in kept]
    for sha256 in old:
        uploads.delete(sha256)
    return len(old)


def upload_manifest(file: FileRef) -> Manifest:
    """Return the artifact that an uploaded file becomes; the manifest's hash is the ``Upload``."""
    return Manifest(kind=UPLOAD, files={_ONLY_FILE: file})


def uploaded(artifacts: ArtifactStore, upload: str) -> FileRef:
    """Return an uploaded file, as it is among ``uploads_of``. Raises InvalidInputError when there is no such upload."""
    try:
        manifest = uploads_of(artifacts).manifest(upload)
    except (NotFoundError, CorruptError):
        raise _no_upload() from None
    if manifest.kind != UPLOAD or len(manifest.files) != 1:
        raise _no_upload()
    return next(iter(manifest.files.values()))


def open_upload(run: Run, upload: str) -> BinaryIO:
    """Open an uploaded file for streaming.

    Raises InvalidInputError when there is no such upload, CorruptError at the end when its bytes are not its own.
    """
    file = uploaded(run.artifacts, upload)
    try:
        return uploads_of(run.artifacts).open(file)
    except NotFoundError:
        raise _no_upload() from None


def publish_files(artifacts: ArtifactStore, files: Mapping[str, bytes | Path], *, folder: str = ".") -> ResultFiles:
    """Store files for a step's result, each from its bytes or from a path. The same bytes are stored once.

    Raises pydantic's ValidationError when a name is not plain, or could lead out of its folder.
    """
    refs = {name: _put(artifacts, content) for name, content in sorted(files.items())}
    manifest = artifacts.publish(Manifest(kind=RESULT, files=refs))
    return ResultFiles(manifest=manifest, sizes={name: ref.size for name, ref in refs.items()}, folder=folder)


def files_of_result(result: Mapping[str, Any] | None) -> ResultFiles | None:
    """Return the files that a step's result names in its field ``files``, if any."""
    try:
        return ResultFiles.model_validate((result or {}).get("files"))
    except ValidationError:
        return None


def _put(artifacts: ArtifactStore, content: bytes | Path) -> FileRef:
    if isinstance(content, bytes):
        return artifacts.put(content)
    with content.open("rb") as source, artifacts.writer() as writer:
        shutil.copyfileobj(source, writer, 1 << 20)
    return writer.ref


def _no_upload() -> InvalidInputError:
    return InvalidInputError(
        "there is no such uploaded file",
        advice="send it to POST /v1/uploads, then submit the step again: uploads are kept for UPLOAD_RETENTION_DAYS",
    )
