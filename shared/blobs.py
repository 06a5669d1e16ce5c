"""Parts of every artifact store: hashing on the way in, verifying on the way out, and safe names."""

import hashlib
import re
from io import RawIOBase
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol

from shared.artifacts import FileRef
from shared.errors import CorruptError, InvalidInputError, NotFoundError, UnavailableError

BLOCK: Final = 1024 * 1024
"""Bytes that are read or written at once."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Source(Protocol):
    """Bytes that can be read once, from front to back."""

    def read(self, size: int, /) -> bytes | None:
        """Return at most ``size`` bytes, none at the end."""
        ...

    def close(self) -> None:
        """Let go of the file or connection."""
        ...


class Sink(Protocol):
    """Takes bytes; may take fewer than it is given, as a raw file does."""

    def write(self, data: memoryview, /) -> int | None:
        """Write, and return how many bytes were taken."""
        ...


class HashingWriter:
    """A ``BlobWriter`` over an unbuffered file: writers send large blocks, so a buffer would only copy them."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._digest = hashlib.sha256()
        self._size = 0
        self._ref: FileRef | None = None

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes. Raises UnavailableError when the disk takes no more."""
        view = memoryview(data).cast("B")
        self._digest.update(view)
        self._size += view.nbytes
        try:
            while view.nbytes:
                view = view[self._sink.write(view) or 0 :]
        except OSError as error:
            raise UnavailableError(
                f"an artifact cannot be written: {error.strerror}", advice="check the disk's space"
            ) from error

    def finish(self) -> FileRef:
        """Say that all bytes were written; from here ``ref`` is known."""
        self._ref = FileRef(sha256=self._digest.hexdigest(), size=self._size)
        return self._ref

    @property
    def ref(self) -> FileRef:
        """Hash and size. Raises RuntimeError before the end of the ``with`` block."""
        if self._ref is None:
            raise RuntimeError("a blob has its hash only once it is stored")
        return self._ref


class VerifyingReader(RawIOBase):
    """Reads a blob and compares it with its reference: the last byte comes only if all bytes are right."""

    def __init__(self, source: Source, ref: FileRef) -> None:
        super().__init__()
        self._source = source
        self._ref = ref
        self._digest = hashlib.sha256()
        self._seen = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer. Raises CorruptError when the blob is too short, too long or other than it was."""
        data = self._source.read(len(buffer)) or b""
        self._digest.update(data)
        self._seen += len(data)
        short = not data and self._seen < self._ref.size
        wrong = self._seen == self._ref.size and self._digest.hexdigest() != self._ref.sha256
        if short or wrong or self._seen > self._ref.size:
            raise CorruptError(
                f"the artifact file {self._ref.sha256} is damaged", advice="restore it from a backup, or make it again"
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the source too."""
        if not self.closed:
            self._source.close()
        super().close()


def blob_name(sha256: str) -> str:
    """Return the hash unchanged. Raises NotFoundError for anything that is no hash, so none becomes a path."""
    if not _SHA256.fullmatch(sha256):
        raise NotFoundError("an artifact is named by 64 hexadecimal digits")
    return sha256


def confined(folder: Path, name: str) -> Path:
    """Return where a file of an artifact lies below a folder. Raises InvalidInputError for a name that leads out."""
    parts = PurePosixPath(name).parts
    plain = bool(parts) and "/".join(parts) == name and ".." not in parts
    if not plain or name.startswith("/") or "\0" in name or "\\" in name:
        raise InvalidInputError(f"{name!r} is no name for a file of an artifact")
    return folder.joinpath(*parts)
