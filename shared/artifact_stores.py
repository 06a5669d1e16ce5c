"""The artifact stores: a local folder here, S3 in ``artifact_s3.py``; ``open_store`` chooses by the address.

A store adds three things to what both share: how bytes become a blob, how they are read, and how large a blob is.
"""

import os
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from shared.artifacts import ArtifactStore, BlobWriter, FileRef, Manifest, StoredBlob, TransientStore
from shared.blobs import BLOCK, HashingWriter, Source, VerifyingReader, blob_name, confined
from shared.contracts import JsonObject
from shared.errors import CorruptError, InvalidInputError, NotFoundError, UnavailableError
from shared.ids import canonical_json
from shared.settings import Settings

_LARGEST_MANIFEST = 16 * 1024 * 1024
_LEFTOVER_SECONDS = 24 * 3600  # no write goes a day without a byte


def open_store(url: str, settings: Settings) -> ArtifactStore:
    """Open the store at ``file:///folder`` or ``s3://bucket/prefix``. Raises InvalidInputError for another address."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path:
        return LocalStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        from shared.artifact_s3 import S3Store

        return S3Store(parts.netloc, parts.path.strip("/"), endpoint_url=settings.s3_endpoint_url or None)
    raise InvalidInputError(
        "ARTIFACTS_URL is no address of an artifact store", advice="use file:///folder or s3://bucket/prefix"
    )


class BlobStore(ABC):
    """What all stores share: everything that can be said in terms of blobs. Implements ``ArtifactStore``."""

    @abstractmethod
    def writer(self) -> AbstractContextManager[BlobWriter]:
        """Stream one blob (see ``ArtifactStore.writer``)."""

    @abstractmethod
    def read_range(self, ref: FileRef, start: int, length: int) -> bytes:
        """Read some bytes, unverified (see ``ArtifactStore.read_range``)."""

    @abstractmethod
    def check(self) -> None:
        """Raise UnavailableError unless the store answers."""

    @abstractmethod
    def wing(self, name: str) -> TransientStore:
        """Return the store of this name beside this one (see ``ArtifactStore.wing``)."""

    @abstractmethod
    def _source(self, sha256: str) -> Source:
        """Open a blob's bytes, unverified. Raises NotFoundError."""

    @abstractmethod
    def _size(self, sha256: str) -> int | None:
        """Return a blob's size in bytes, or None when there is none."""

    def put(self, data: bytes) -> FileRef:
        """Store a small blob."""
        with self.writer() as writer:
            writer.write(data)
        return writer.ref

    def put_folder(self, kind: str, folder: Path, facts: JsonObject) -> str:
        """Store every file of a folder, then the manifest; return its hash. Raises InvalidInputError for a link."""
        files = {}
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise InvalidInputError(f"{path.name} is a link or a special file: an artifact holds plain files only")
            if path.is_file():
                files[path.relative_to(folder).as_posix()] = self._put_file(path)
        return self.publish(Manifest(kind=kind, files=files, facts=facts))

    def _put_file(self, path: Path) -> FileRef:
        with path.open("rb", buffering=0) as file, self.writer() as writer:
            while block := file.read(BLOCK):
                writer.write(block)
        return writer.ref

    def publish(self, manifest: Manifest) -> str:
        """Write the manifest and return its hash. Raises NotFoundError unless all its files are there already."""
        for name, ref in manifest.files.items():
            confined(Path(), name)
            if self._size(ref.sha256) != ref.size:
                raise NotFoundError(f"the file {name} of this artifact is not stored: store files before the manifest")
        return self.put(canonical_json(manifest.model_dump(mode="json"))).sha256

    def manifest(self, sha256: str) -> Manifest:
        """Read and verify a manifest. Raises NotFoundError or CorruptError."""
        size = self._size(blob_name(sha256))
        if size is None:
            raise NotFoundError(f"there is no artifact {sha256}")
        if size > _LARGEST_MANIFEST:
            raise CorruptError(f"{sha256} is too large for a manifest")
        with self.open(FileRef(sha256=sha256, size=size)) as file:
            data = file.read()
        try:
            return Manifest.model_validate_json(data)
        except ValidationError as error:
            raise CorruptError(f"{sha256} is not a manifest") from error

    def open(self, ref: FileRef) -> BinaryIO:
        """Open a blob for streaming. Raises NotFoundError; reading raises CorruptError where bytes are wrong."""
        return BufferedReader(VerifyingReader(self._source(ref.sha256), ref), BLOCK)

    def fetch(self, sha256: str, folder: Path) -> Manifest:
        """Copy all files of an artifact into a folder; a file gets its name there once it is verified."""
        manifest = self.manifest(sha256)
        for name, ref in manifest.files.items():
            self._fetch_file(ref, confined(folder, name))
        return manifest

    def _fetch_file(self, ref: FileRef, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        try:
            with self.open(ref) as source, part.open("wb", buffering=0) as file:
                while block := source.read(BLOCK):
                    file.write(block)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


class LocalStore(BlobStore):
    """Blobs in a folder: ``blobs/ab/abcd…``. What is being written is in ``incoming`` and comes over by a rename."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._blobs = root / "blobs"
        self._incoming = root / "incoming"
        self._discard_leftovers()

    @contextmanager
    def writer(self) -> Iterator[BlobWriter]:
        """Stream one blob; it is on the disk (fsync) when the block has ended. Raises UnavailableError."""
        with _disk_errors():
            self._incoming.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._incoming)
        path = Path(name)
        try:
            with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123  (a descriptor, not a path)
                writer = HashingWriter(file)
                yield writer
                with _disk_errors():
                    os.fchmod(descriptor, 0o440)  # nothing edits a blob in place
                    os.fsync(descriptor)
            with _disk_errors():
                self._keep(path, writer.finish())
        finally:
            path.unlink(missing_ok=True)

    def _keep(self, path: Path, ref: FileRef) -> None:
        # Replacing an existing blob changes nothing, or repairs it.
        target = self._path(ref.sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        _sync_folder(target.parent)

    def read_range(self, ref: FileRef, start: int, length: int) -> bytes:
        """Read some bytes, unverified; fewer at the end of the blob. Raises NotFoundError."""
        with self._open(ref.sha256) as file, _disk_errors():
            return os.pread(file.fileno(), length, start)

    def check(self) -> None:
        """Raise UnavailableError unless the folder can be written."""
        with _disk_errors():
            self._incoming.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._incoming):
                pass

    def wing(self, name: str) -> TransientStore:
        """Return the store in the folder of this name (see ``ArtifactStore.wing``)."""
        return LocalStore(confined(self._root, name))

    def blobs(self) -> Iterator[StoredBlob]:
        """List every blob with its time of writing."""
        for path in self._blobs.glob("??/*"):
            with suppress(FileNotFoundError):  # deleted meanwhile
                yield StoredBlob(path.name, datetime.fromtimestamp(path.stat().st_mtime, tz=UTC))

    def delete(self, sha256: str) -> None:
        """Delete a blob. Raises UnavailableError where the folder cannot be written."""
        with _disk_errors():
            self._path(sha256).unlink(missing_ok=True)

    def _source(self, sha256: str) -> Source:
        return self._open(sha256)

    def _open(self, sha256: str) -> FileIO:
        try:
            return self._path(sha256).open("rb", buffering=0)
        except FileNotFoundError:
            raise NotFoundError(f"there is no artifact file {sha256}") from None

    def _size(self, sha256: str) -> int | None:
        try:
            return self._path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def _path(self, sha256: str) -> Path:
        return self._blobs / blob_name(sha256)[:2] / sha256

    def _discard_leftovers(self) -> None:
        """Remove what writers that were killed have left behind."""
        oldest = time.time() - _LEFTOVER_SECONDS
        for path in self._incoming.glob("*"):
            with suppress(FileNotFoundError):  # another process was faster
                if path.stat().st_mtime < oldest:
                    path.unlink()


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"the artifact folder cannot be used: {error.strerror}", advice="check its disk space and its permissions"
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
