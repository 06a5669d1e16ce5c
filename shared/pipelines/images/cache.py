"""Pictures decoded and resized once: a file of equal squares, mapped into memory, found by their artifact's hash.

``keys`` has 32 bytes for each square in ``pixels``, in the same order, and is written after it: whoever is killed in
between leaves a longer ``pixels``, which the next one cuts. One process fills at a time; those that read need no lock,
since nothing that is there is ever changed. The folder is named by the preprocessing's fingerprint.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.artifacts import ArtifactStore, FileRef
from shared.errors import UnavailableError
from shared.pipelines.images.preprocess import cached

_KEY_BYTES: Final = 32
_CHUNK: Final = 64  # pictures between two writes, and two reports
_LOCK_PAUSE_S: Final = 0.2

Told = Callable[[int, int], None]
"""Is told how many pictures of how many are decoded; may raise to stop."""


@dataclass(frozen=True, kw_only=True)
class Squares:
    """Decoded pictures: ``pixels`` uint8 [n, side, side, 3] on disk, and which of them is which artifact's."""

    pixels: NDArray[np.uint8]
    places: Mapping[str, int]


def squares(
    folder: Path,
    wanted: Iterable[FileRef],
    store: ArtifactStore,
    *,
    side: int,
    most_bytes: int,
    threads: int,
    told: Told,
) -> Squares:
    """Return the decoded pictures of these artifacts, decoding those that were not seen before.

    Raises UnavailableError when the disk is full, and what reading or decoding a picture raises.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {ref.sha256: ref for ref in wanted}
    with _disk_errors(), _alone(folder / "lock", told, len(files)):
        cache = _Files(folder, side)
        missing = [ref for sha256, ref in files.items() if sha256 not in cache.places]
        if missing and cache.size(len(cache.places) + len(missing)) > most_bytes:
            cache.clear()
            missing = list(files.values())
        for done in cache.fill(missing, store, threads):
            told(len(files) - len(missing) + done, len(files))
        return Squares(pixels=cache.mapped(), places={sha256: cache.places[sha256] for sha256 in files})


class _Files:
    """The two files of a cache, while their lock is held."""

    def __init__(self, folder: Path, side: int) -> None:
        self._keys, self._pixels = folder / "keys", folder / "pixels"
        self._side = side
        keys = self._keys.read_bytes() if self._keys.exists() else b""
        count = min(len(keys) // _KEY_BYTES, (self._pixels.stat().st_size if keys else 0) // self.size(1))
        self.places = {keys[n * _KEY_BYTES : (n + 1) * _KEY_BYTES].hex(): n for n in range(count)}
        for file, size in ((self._keys, count * _KEY_BYTES), (self._pixels, self.size(count))):
            file.touch()
            os.truncate(file, size)

    def size(self, count: int) -> int:
        """Return the bytes of so many squares."""
        return count * self._side * self._side * 3

    def clear(self) -> None:
        """Begin anew. Whoever has the old file mapped keeps it."""
        for file in (self._keys, self._pixels):
            file.unlink()
            file.touch()
        self.places = {}

    def fill(self, missing: list[FileRef], store: ArtifactStore, threads: int) -> Iterator[int]:
        """Decode and append, yielding how many are done."""

        def decoded(ref: FileRef) -> bytes:
            with store.open(ref) as file:
                return cached(file.read(), self._side).tobytes()

        with ThreadPoolExecutor(threads) as pool, self._pixels.open("ab") as pixels, self._keys.open("ab") as keys:
            for start in range(0, len(missing), _CHUNK):
                chunk = missing[start : start + _CHUNK]
                for square in pool.map(decoded, chunk):
                    pixels.write(square)
                pixels.flush()
                os.fsync(pixels.fileno())
                keys.write(b"".join(bytes.fromhex(ref.sha256) for ref in chunk))
                keys.flush()
                self.places |= {ref.sha256: len(self.places) + n for n, ref in enumerate(chunk)}
                yield start + len(chunk)

    def mapped(self) -> NDArray[np.uint8]:
        """Map all squares into memory, read-only."""
        if not self.places:
            return np.empty((0, self._side, self._side, 3), dtype=np.uint8)
        return np.memmap(self._pixels, dtype=np.uint8, mode="r", shape=(len(self.places), self._side, self._side, 3))


@contextmanager
def _alone(path: Path, told: Told, total: int) -> Iterator[None]:
    """Hold the lock; whoever must wait for it says so, and can be stopped."""
    pause = threading.Event()
    with path.open("wb") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                told(0, total)
                pause.wait(_LOCK_PAUSE_S)
            else:
                break
        yield


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"the cache of decoded pictures cannot be written: {error.strerror}",
            advice="make room on the worker's disk (TUNEYARD_HOME), then try again",
        ) from error
