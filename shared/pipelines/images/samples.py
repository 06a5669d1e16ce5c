"""What is learned from: pictures on disk with their targets, and batches of them, read ahead of the step."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.errors import RefusedError
from shared.pipelines.images.contracts import TargetType

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Pictures (``places`` in ``pixels``, which is on disk), their targets (0 to 1), and how much each one counts."""

    pixels: NDArray[np.uint8]
    places: Ints
    targets: Floats
    weights: Floats

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self.places)

    def squares(self, rows: Ints) -> Tensor:
        """Copy the pictures of some rows into memory, uint8 [n, side, side, 3]."""
        return torch.from_numpy(self.pixels[self.places[rows]])


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some rows: their pictures, targets and weights, and the batch's place in its epoch."""

    number: int
    squares: Tensor
    targets: Tensor
    weights: Tensor


def digest(keys: Sequence[str], targets: Sequence[float]) -> str:
    """Return the hash of what is learned from: the artifacts in order, and the target of each."""
    return hashlib.sha256(
        "\n".join(f"{key} {target!r}" for key, target in zip(keys, targets, strict=True)).encode()
    ).hexdigest()


def weights_of(targets: Floats, surface: TargetType, most: float) -> Floats:
    """Let rare targets count for more, each kind for as much as any other, at most ``most`` times the mean.

    Raises RefusedError when there is only one kind of binary target.
    """
    kinds = np.rint(targets * (1 if surface == "binary" else 4)).astype(np.int64)
    present, places, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    if surface == "binary" and len(present) < 2:  # noqa: PLR2004  (it takes two to tell apart)
        raise RefusedError(
            f"all {len(targets)} training pictures are {'good' if len(present) and present[0] else 'not good'} ones: "
            "there is nothing to tell apart",
            advice="rate pictures of both kinds, from several webcams",
        )
    even = len(targets) / (len(present) * counts)
    weights = np.clip(even, 1 / most, most)[places]
    normal: Floats = (weights / weights.mean()).astype(np.float32)
    return normal


def epoch_order(count: int, batch_size: int, seed: int) -> list[Ints]:
    """Draw the rows of each batch of an epoch. Rows that do not fill a last batch wait for another epoch."""
    size = min(batch_size, count)
    order = np.random.default_rng(seed).permutation(count)
    return [order[start : start + size] for start in range(0, count - size + 1, size)]


def in_order(count: int, batch_size: int) -> list[Ints]:
    """Return all rows in batches, in order."""
    return [np.arange(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]


def batches(samples: Samples, order: Sequence[Ints], *, threads: int, ahead: int, pinned: bool) -> Iterator[Batch]:
    """Yield the batches in order. Threads copy the next ones out of the mapped file meanwhile, which waits for disks.

    ``pinned``: into memory from which a GPU copies without waiting.
    """

    def read(number: int, rows: Ints) -> Batch:
        parts = [
            samples.squares(rows),
            torch.from_numpy(samples.targets[rows]),
            torch.from_numpy(samples.weights[rows]),
        ]
        squares, targets, weights = (part.pin_memory() for part in parts) if pinned else parts
        return Batch(number=number, squares=squares, targets=targets, weights=weights)

    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Batch]] = deque()
        rest = enumerate(order)
        try:
            for number, rows in islice(rest, ahead):
                waiting.append(pool.submit(read, number, rows))
            while waiting:
                batch = waiting.popleft().result()
                for number, rows in islice(rest, 1):
                    waiting.append(pool.submit(read, number, rows))
                yield batch
        finally:
            for future in waiting:
                future.cancel()
