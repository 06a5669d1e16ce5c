"""The promise of artifact storage: content-addressed blobs, and manifests that name them, written last.

A blob is named by the SHA-256 of its bytes; a manifest is a small blob of canonical JSON that lists an artifact's
files. Whoever can read the manifest can read every file in it: a reader never sees half an artifact. Writing the same
bytes twice changes nothing, so a lost race or a repeated attempt does no harm. Stores: ``shared/artifact_stores.py``.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from pydantic import Field

from shared.contracts import Contract, JsonObject


class FileRef(Contract):
    """One file of an artifact: its hash (64 hex digits) and its size in bytes."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class Manifest(Contract):
    """An artifact: its kind (``dataset``, ``model``, ``report``, ``upload``), its files, and facts about it."""

    kind: str
    files: dict[str, FileRef]
    facts: JsonObject = Field(default_factory=dict)


class BlobWriter(Protocol):
    """Receives the bytes of one blob; nothing is visible until the surrounding ``with`` ends without an error."""

    def write(self, data: bytes | memoryview) -> object:
        """Append bytes; they are hashed on the way."""
        ...

    @property
    def ref(self) -> FileRef:
        """Hash and size. Only after the ``with`` block."""
        ...


class StoredBlob(NamedTuple):
    """A blob of a store, and when its bytes were last written (timezone-aware)."""

    sha256: str
    written_at: datetime


class ArtifactStore(Protocol):
    """Local folder or S3, chosen by ``ARTIFACTS_URL``. Raises ``UnavailableError`` when the store does not answer."""

    def check(self) -> None:
        """Raise UnavailableError unless the store answers: for readiness, not before each use."""
        ...

    def writer(self) -> AbstractContextManager[BlobWriter]:
        """Stream one blob in constant memory. An error inside the block leaves nothing behind."""
        ...

    def put(self, data: bytes) -> FileRef:
        """Store a small blob."""
        ...

    def put_folder(self, kind: str, folder: Path, facts: JsonObject) -> str:
        """Store every file of a folder, then the manifest; return the manifest's hash."""
        ...

    def publish(self, manifest: Manifest) -> str:
        """Write the manifest; return its hash, which names the artifact. Raises NotFoundError if a file is missing."""
        ...

    def manifest(self, sha256: str) -> Manifest:
        """Read and verify a manifest. Raises ``NotFoundError`` or ``CorruptError``."""
        ...

    def open(self, ref: FileRef) -> BinaryIO:
        """Open a blob for streaming; bytes are verified when the end is reached (``CorruptError``)."""
        ...

    def read_range(self, ref: FileRef, start: int, length: int) -> bytes:
        """Read some bytes of a blob, unverified: for binary search in sorted files."""
        ...

    def fetch(self, sha256: str, folder: Path) -> Manifest:
        """Copy all files of an artifact into a folder, each verified. Raises ``NotFoundError``, ``CorruptError``."""
        ...

    def wing(self, name: str) -> "TransientStore":
        """Return the store of this name beside this one. They share no blob, whatever the bytes."""
        ...


class TransientStore(ArtifactStore, Protocol):
    """A store of what is kept for a time only. Writing bytes again makes them young again."""

    def blobs(self) -> Iterator[StoredBlob]:
        """List every blob, in no order."""
        ...

    def delete(self, sha256: str) -> None:
        """Delete a blob; one that is gone already is no error. Whoever reads it now may read it to its end."""
        ...
