"""Near-duplicates and clusters: over the matrix product alone, over a plain faiss search, over plain pgvector.

``python -m tests.bench.cluster COUNT`` searches so many vectors, and prints the seconds and how many MiB that added.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg

from shared.db.binary_copy import HEADER, TRAILER, row
from shared.pipelines.dedup.neighbours import compared
from shared.settings import get_settings
from tests.bench.harness import Bench
from tests.bench.steps import finish, resident

_THRESHOLD: Final = 0.8
_DIMENSIONS: Final = 384
_SIZES: Final = (10_000, 31_600, 100_000)
_SMALL, _MIDDLE, _LARGE = _SIZES
_TILE: Final = 4096
_MODEL: Final = "made@1"
_KIND: Final = "dedup.cluster"
_FILL: Final = "COPY insights (id, statement, embedding, embedding_model) FROM STDIN (FORMAT binary)"
_EMPTY: Final = "TRUNCATE insights, clusters, cluster_members, neighbours, neighbour_scans CASCADE"
_AGAIN: Final = (
    "UPDATE insights SET compared = false",
    "TRUNCATE neighbours, neighbour_scans, clusters, cluster_members",
)
_PLAIN: Final = """
SELECT count(*) FROM insights i JOIN insights j ON i.number < j.number AND (i.embedding <#> j.embedding) <= -0.8
"""

Pairs = set[tuple[int, int]]


def run(bench: Bench) -> None:
    """Compare the search alone, then the whole step."""
    vectors = _vectors(_MIDDLE)
    _rate = partial(_pairs_a_second, _MIDDLE)
    bench.compare(
        f"near-duplicates among {_MIDDLE:,} vectors of {_DIMENSIONS} (pairs compared), over their product in bfloat16",
        partial(_rate, partial(_ours, vectors)), partial(_rate, partial(_product, vectors)), "≥ 0.4",
    )  # fmt: skip
    bench.compare(
        f"near-duplicates among {_MIDDLE:,} vectors, over faiss flat",
        partial(_rate, partial(_ours, vectors)), partial(_rate, partial(_faiss, vectors)), "≥ 5",
    )  # fmt: skip
    _note_large(bench)
    _note_growth(bench)
    _steps(bench)


def _note_large(bench: Bench) -> None:
    """Note the largest size, once: seconds, and recall against an exact search in float32."""
    vectors = _vectors(_LARGE)
    exact, plain_s = _timed(partial(_faiss, vectors))
    bound_s = _timed(partial(_product, vectors))[1]
    found, ours_s = _timed(partial(_ours, vectors))
    recall = len(found & exact) / len(exact)
    what = f"near-duplicates among {_LARGE:,}"
    bench.note(f"{what}, over their product", f"{bound_s:.2f} s", f"{ours_s:.2f} s", f"{ours_s / bound_s:.2f}", "≤ 2.5")
    bench.note(f"{what}, over faiss flat", f"{plain_s:.2f} s", f"{ours_s:.2f} s", f"{plain_s / ours_s:.1f}", "≥ 5")
    bench.note(f"{what}: recall of {len(exact):,} pairs", "1", f"{recall:.6f}", "-", "1")


def _note_growth(bench: Bench) -> None:
    """Note seconds and memory for three sizes: time grows with the pairs, memory with the vectors."""
    command = [sys.executable, "-m", "tests.bench.cluster"]
    for count in _SIZES:
        output = subprocess.check_output([*command, str(count)], cwd=Path(__file__).parents[2], text=True)
        took, added = json.loads(output.splitlines()[-1])
        bench.note(
            f"memory that searching {count:,} vectors adds to them", f"{_mib(count):.0f} MiB of vectors",
            f"{added:.0f} MiB, {took:.2f} s", f"{took / count**2 * 1e9:.2f} ns a pair²", "not quadratic",
        )  # fmt: skip


def _steps(bench: Bench) -> None:
    for count, rounds in ((_SMALL, 3), (_LARGE, 1)):
        _fill(_vectors(count))
        took = []
        for _ in range(rounds):
            _execute(*_AGAIN)
            took.append(_timed(partial(finish, _KIND))[1])
        again = _timed(partial(finish, _KIND))[1]
        bench.note(f"{_KIND} of {count:,} insights, all new", "-", f"{sorted(took)[rounds // 2]:.2f} s", "-", "-")
        bench.note(f"{_KIND} of {count:,} insights, none new", "-", f"{again:.2f} s", "-", "-")
        if count == _SMALL:
            plain = _timed(partial(_execute, _PLAIN))[1]
            bench.note(
                f"{_KIND} of {count:,} insights, over a plain pgvector join", f"{plain:.2f} s", f"{min(took):.2f} s",
                f"{plain / min(took):.1f}", "≥ 5",
            )  # fmt: skip
        _execute(*_AGAIN)
        output = subprocess.check_output(
            [sys.executable, "-m", "tests.bench.steps", _KIND], cwd=Path(__file__).parents[2], text=True
        )
        peak, added = json.loads(output.splitlines()[-1])
        bench.note(
            f"memory that {_KIND} adds, {count:,} insights", f"{_mib(count):.0f} MiB of vectors",
            f"{added:.0f} MiB (peak {peak:.0f})", "-", "not quadratic",
        )  # fmt: skip


# --- the searches -----------------------------------------------------------------------------------------------------


def _vectors(count: int) -> Any:
    """Return vectors of length 1; a fifth of them are near to another."""
    random = np.random.default_rng(count)
    made = random.standard_normal((count, _DIMENSIONS), dtype=np.float32)
    original, copy = random.integers(0, count, (2, count // 5))
    made[copy] = made[original] + 0.6 * random.standard_normal((count // 5, _DIMENSIONS), dtype=np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


def _ours(vectors: Any) -> Pairs:
    pairs: Pairs = set()
    for found in compared(vectors, _THRESHOLD):
        pairs.update(zip(found.first.tolist(), found.second.tolist(), strict=True))
    return pairs


def _product(vectors: Any) -> None:
    """Multiply every vector with those before it, in bfloat16, and look at nothing."""
    import torch

    matrix = torch.from_numpy(vectors).bfloat16()
    buffer = torch.empty((_TILE, _TILE), dtype=torch.bfloat16)
    for start in range(0, len(matrix), _TILE):
        rows = matrix[start : start + _TILE]
        for column in range(0, start + len(rows), _TILE):
            columns = matrix[column : column + _TILE]
            torch.mm(rows, columns.T, out=buffer.view(-1)[: len(rows) * len(columns)].view(len(rows), len(columns)))


def _faiss(vectors: Any) -> Pairs:
    """Search as anyone would: all vectors in a flat index, then all of them as queries."""
    import faiss

    index = faiss.IndexFlatIP(_DIMENSIONS)
    index.add(vectors)
    ends, _, found = index.range_search(vectors, _THRESHOLD)
    queries = np.repeat(np.arange(len(vectors)), np.diff(ends.astype(np.int64)))
    before = queries < found
    return set(zip(queries[before].tolist(), found[before].tolist(), strict=True))


def _pairs_a_second(count: int, search: Callable[[], Any]) -> float:
    return count**2 / 2 / _timed(search)[1]


def _timed(action: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    result = action()
    return result, time.perf_counter() - started


def _mib(count: int) -> float:
    return count * _DIMENSIONS * 4 / 2**20


# --- the database -----------------------------------------------------------------------------------------------------


def _fill(vectors: Any) -> None:
    _execute(_EMPTY)
    head = _DIMENSIONS.to_bytes(2, "big") + bytes(2)  # as pgvector receives a vector
    with psycopg.connect(get_settings().dsn()) as conn, conn.cursor().copy(_FILL) as copy:
        copy.write(HEADER)
        for place, vector in enumerate(vectors.astype(">f4")):
            identifier = f"ins_{place:032x}".encode()
            copy.write(row((identifier, b"made " + identifier, head + vector.tobytes(), _MODEL.encode())))
        copy.write(TRAILER)
    _execute("VACUUM ANALYZE insights")  # as autovacuum does within a minute


def _execute(*statements: str) -> None:
    with psycopg.connect(get_settings().dsn(), autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement.encode())


if __name__ == "__main__":
    made = _vectors(int(sys.argv[1]))
    _ours(made[:2048])  # torch is there
    start = resident(peak=False)
    seconds = _timed(partial(_ours, made))[1]
    print(json.dumps([seconds, resident(peak=True) - start]))
