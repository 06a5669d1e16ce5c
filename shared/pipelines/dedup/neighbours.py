"""Which vectors are close: all pairs from a similarity on, found exactly, in memory that grows with the vectors alone.

Cosines are computed tile by tile, where the processor has it in bfloat16, at four times the speed of float32. Rounding
cannot hide a pair there: the gate lies below the threshold by all that rounding may cost, and what passes is computed
again in float32. Most tiles hold no pair, so the greatest value of each row is looked at first.
"""

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float32]
    Places: TypeAlias = NDArray[np.int64]
    Hits: TypeAlias = tuple[Places, Places]

Span: TypeAlias = tuple[int, int]
R = TypeVar("R")

ROWS: Final = 1024
"""How many vectors are compared with all before them at once."""

_COLUMNS: Final = 4096  # a tile's cosines stay in a processor's cache: 8 MiB in bfloat16
_CHUNK: Final = 16_384  # pairs that are computed again at once
_DENSE: Final = 0.01  # from this share of a tile on, multiplying it is cheaper than gathering its pairs
_FEW: Final = 100_000_000  # pairs: as many as NumPy compares while torch is imported

# An input in bfloat16 is off by 2^-8 of itself at most, so by Cauchy and Schwarz the cosine of two vectors of length 1
# by 2^-7 + 2^-16; its own rounding below 1 costs 2^-9 at most. Together 0.0098; float32's sums are far below the rest.
_BF16_MARGIN: Final = 0.01
_F32_MARGIN: Final = 1e-5


class Found(NamedTuple):
    """The pairs of the vectors from ``start`` to ``stop`` (exclusive) with those before them.

    ``first`` < ``second`` are places, ordered by second, then first; ``similarity`` is their cosine. ``dropped`` pairs
    were above the threshold too, but further away than ``max_neighbours`` others.
    """

    start: int
    stop: int
    first: "Places"
    second: "Places"
    similarity: "Floats"
    dropped: int


def near_duplicates(
    vectors: "Floats", threshold: float, new_from: int = 0, max_neighbours: int | None = None
) -> Iterator[tuple[int, int, float]]:
    """Yield (i, j, cosine) of all pairs i < j from this cosine on, as far as j is not before ``new_from``.

    The vectors are float32 [n, d] of length 1. With ``max_neighbours`` a vector keeps its closest so many among those
    before it. Raises ValueError for vectors of another shape.
    """
    for found in compared(vectors, threshold, new_from, max_neighbours):
        yield from zip(found.first.tolist(), found.second.tolist(), found.similarity.tolist(), strict=True)


def compared(
    vectors: "Floats", threshold: float, new_from: int = 0, max_neighbours: int | None = None
) -> Iterator[Found]:
    """Yield the pairs as ``near_duplicates`` does, for ``ROWS`` vectors at once."""
    if vectors.ndim != 2:  # noqa: PLR2004  (rows and columns)
        raise ValueError(f"vectors are rows of a matrix, not of {vectors.ndim} dimensions")
    if len(vectors) == new_from:
        return
    with _tiles_of(vectors, threshold, new_from) as tiles:
        for start in range(new_from, len(vectors), ROWS):
            yield _of_rows(vectors, tiles, (start, min(start + ROWS, len(vectors))), threshold, max_neighbours)


def _of_rows(vectors: "Floats", tiles: "_Tiles", rows: Span, threshold: float, max_neighbours: int | None) -> Found:
    """Compare some vectors with all that are not after them."""
    import numpy as np

    start, stop = rows
    first, second = np.empty(0, np.int64), np.empty(0, np.int64)
    similarity, dropped = np.empty(0, np.float32), 0
    columns = [(column, min(column + _COLUMNS, stop)) for column in range(0, stop, _COLUMNS)]
    for i, j, cosine in tiles.each(columns, lambda some: _exactly(vectors, rows, some, tiles.hits(rows, some))):
        kept = cosine >= np.float32(threshold)
        first, second = np.concatenate((first, i[kept])), np.concatenate((second, j[kept]))
        similarity = np.concatenate((similarity, cosine[kept]))
        if max_neighbours is not None and len(first) > max_neighbours:
            closest = _closest(first, second, similarity, max_neighbours)
            dropped += len(first) - len(closest)
            first, second, similarity = first[closest], second[closest], similarity[closest]
    order = np.lexsort((first, second))
    return Found(start, stop, first[order], second[order], similarity[order], dropped)


def _exactly(vectors: "Floats", rows: Span, columns: Span, hits: "Hits") -> "tuple[Places, Places, Floats]":
    """Return the places and cosines of what passed the gate, each pair once."""
    import numpy as np

    j, i = hits[0] + rows[0], hits[1] + columns[0]
    once = i < j
    i, j = i[once], j[once]
    if len(i) > _DENSE * (rows[1] - rows[0]) * (columns[1] - columns[0]):
        cosines = vectors[rows[0] : rows[1]] @ vectors[columns[0] : columns[1]].T
        return i, j, cosines[j - rows[0], i - columns[0]]
    cosine = np.empty(len(i), np.float32)
    for at in range(0, len(i), _CHUNK):
        chunk = slice(at, at + _CHUNK)
        np.einsum("pd,pd->p", vectors[i[chunk]], vectors[j[chunk]], out=cosine[chunk])
    return i, j, cosine


def _closest(first: "Places", second: "Places", similarity: "Floats", count: int) -> "Places":
    """Return where the closest so many of each second are; of equally close ones the earliest."""
    import numpy as np

    order = np.lexsort((first, -similarity, second))
    ordered = second[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    sizes = np.diff(np.append(starts, len(ordered)))
    rank = np.arange(len(ordered)) - np.repeat(starts, sizes)
    closest: Places = order[rank < count]
    return closest


# --- tiles ----------------------------------------------------------------------------------------------------------


class _Tiles(AbstractContextManager["_Tiles"]):
    """Finds in a tile what may be above the threshold. A processor with NumPy; others inherit."""

    def __init__(self, vectors: "Floats", threshold: float) -> None:
        self._vectors, self._gate = vectors, threshold - _F32_MARGIN

    def __exit__(self, *_: object) -> None:
        """Nothing is left behind."""

    def each(self, columns: Sequence[Span], look: Callable[[Span], R]) -> Iterator[R]:
        """Look at tiles of the same rows; yield what was found, in order."""
        return map(look, columns)

    def hits(self, rows: Span, columns: Span) -> "Hits":
        """Return rows and columns (counted from the tile's corner) of all pairs that may be; more is harmless."""
        import numpy as np

        cosines = self._vectors[slice(*rows)] @ self._vectors[slice(*columns)].T
        hot = np.flatnonzero(cosines.max(axis=1) >= self._gate)
        row, column = np.nonzero(cosines[hot] >= self._gate)
        return hot[row], column


class _TorchTiles(_Tiles):
    """In bfloat16, on a card or on a processor that multiplies it.

    A processor looks at a tile with each of its threads. Were each tile shared by all of them, they would wait for each
    other five times a tile, and long where other processes want the processor too.
    """

    def __init__(self, vectors: "Floats", threshold: float, device: str) -> None:
        import torch

        self._torch = torch
        # a card may otherwise round sums on the way, for which the margin has no room
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        # A multiple of 2^-8 below 1 is a bfloat16 number: comparing rounds nothing. As integers such numbers compare
        # ten times faster, in the same order from 0 on; below 0 everything passes.
        gate = math.floor((threshold - _BF16_MARGIN) * 256) / 256
        self._gate = int(torch.tensor(gate, dtype=torch.bfloat16).view(torch.int16)) if gate > 0 else -(2**15)
        self._narrow = torch.empty(vectors.shape, dtype=torch.bfloat16, device=device)
        for at in range(0, len(vectors), _CHUNK):
            self._narrow[at : at + _CHUNK] = torch.from_numpy(vectors[at : at + _CHUNK].copy())  # whoever may write
        self._threads = torch.get_num_threads() if device == "cpu" else 1
        self._buffers = threading.local()
        self._pool = (
            ThreadPoolExecutor(self._threads, "tiles", partial(torch.set_num_threads, 1)) if device == "cpu" else None
        )

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._torch.set_num_threads(self._threads)  # for threads to come: each has a number of its own

    def each(self, columns: Sequence[Span], look: Callable[[Span], R]) -> Iterator[R]:
        return self._pool.map(look, columns) if self._pool else map(look, columns)

    def hits(self, rows: Span, columns: Span) -> "Hits":
        torch, (height, width) = self._torch, (rows[1] - rows[0], columns[1] - columns[0])
        cosines = self._buffer()[: height * width].view(height, width)
        torch.mm(self._narrow[slice(*rows)], self._narrow[slice(*columns)].T, out=cosines)
        bits = cosines.view(torch.int16)
        hot = (bits.amax(dim=1) >= self._gate).nonzero()[:, 0]
        row, column = (bits[hot] >= self._gate).nonzero(as_tuple=True)
        return hot[row].cpu().numpy(), column.cpu().numpy()

    def _buffer(self) -> "torch.Tensor":
        """Return this thread's memory for a tile."""
        if not hasattr(self._buffers, "own"):
            size = ROWS * _COLUMNS
            self._buffers.own = self._torch.empty(size, dtype=self._torch.bfloat16, device=self._narrow.device)
        own: torch.Tensor = self._buffers.own
        return own


def _tiles_of(vectors: "Floats", threshold: float, new_from: int) -> _Tiles:
    pairs = (len(vectors) ** 2 - new_from**2) / 2
    if find_spec("torch") is None or (pairs < _FEW and "torch" not in sys.modules):
        return _Tiles(vectors, threshold)
    import torch

    if torch.cuda.is_available():
        return _TorchTiles(vectors, threshold, "cuda")
    return _TorchTiles(vectors, threshold, "cpu") if _bf16_is_fast() else _Tiles(vectors, threshold)


@lru_cache(maxsize=1)
def _bf16_is_fast() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32; either way the pairs found are the same."""
    import torch

    threads = torch.get_num_threads()
    with ThreadPoolExecutor(1, "tiles", partial(torch.set_num_threads, 1)) as alone:
        fast = alone.submit(lambda: _seconds(torch.bfloat16) < _seconds(torch.float32)).result()
    torch.set_num_threads(threads)
    return fast


def _seconds(kind: Any) -> float:
    """Return the processor's time for a product in this thread: what else the machine does is not counted."""
    import torch

    matrix = torch.ones((512, 384), dtype=kind)
    torch.mm(matrix, matrix.T)
    started = time.thread_time()
    for _ in range(5):
        torch.mm(matrix, matrix.T)
    return time.thread_time() - started
