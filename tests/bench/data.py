"""Export and import of labelled examples over raw COPY, their memory, and how both grow."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg

from shared.artifact_stores import open_store
from shared.db import binary_copy
from shared.pipelines.router.labelled import parse_labelled
from shared.settings import get_settings
from tests.bench.harness import Bench
from tests.bench.steps import finish

_ROWS: Final = 200_000
_SIZES: Final = (10_000, 100_000, 1_000_000)
_LETTERS: Final = str.maketrans("0123456789", "ghijklmnop")
_PIECE: Final = 1 << 18
_LINE: Final = "SELECT row_to_json(line) FROM ({}) AS line"
_UNORDERED: Final = 'SELECT id, "group", input, label, at FROM router_examples'
_ORDERED: Final = _UNORDERED + ' ORDER BY id COLLATE "C"'
_UPSERT: Final = """
INSERT INTO ml_data (id, query, group_key, label, source, labelled_by, labelled_at)
SELECT id, query, group_key, label, 'import', labelled_by, labelled_at FROM staged ON CONFLICT (id) DO NOTHING
"""
_STAGED: Final = "id text, query text, group_key text, label text, labelled_by text, labelled_at timestamptz"


def run(bench: Bench) -> None:
    """Measure import (which fills the table), then export of what it brought, then memory and growth."""
    uploads = {rows: _upload(bench.folder / f"upload-{rows}", rows) for rows in {_ROWS, *_SIZES}}
    bench.compare(
        "import, validated, with upsert, over binary COPY to a temporary table and upsert",
        partial(_import, uploads[_ROWS], _ROWS), partial(_bare_import, _binary_rows(_ROWS)), "≥ 0.7", unit=" rows/s",
    )  # fmt: skip
    _import(uploads[_ROWS], _ROWS)
    with psycopg.connect(get_settings().dsn(), autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE ml_data")  # as autovacuum does within a minute
    _exports(bench)
    _growth(bench, uploads)


def _exports(bench: Bench) -> None:
    for name, rows in (("unordered", _UNORDERED), ("ordered", _ORDERED)):
        bench.compare(
            f"export (freeze: ordered, hashed, split, on the disk) over bare COPY, {name}",
            _export, partial(_bare_export, _LINE.format(rows)), "≥ 0.9", unit=" rows/s",
        )  # fmt: skip


def _growth(bench: Bench, uploads: dict[int, str]) -> None:
    """Note seconds and peak memory at three sizes, each in a process of its own."""
    for kind in ("router.import", "router.freeze"):
        for rows in _SIZES:
            _empty()
            if kind == "router.import":
                arguments = [f"upload={uploads[rows]}", "format=jsonl"]
            else:
                finish("router.import", upload=uploads[rows], format="jsonl")
                arguments = []
            started = time.perf_counter()
            command = [sys.executable, "-m", "tests.bench.steps", kind, *arguments]
            output = subprocess.check_output(command, cwd=Path(__file__).parents[2], text=True)
            took = time.perf_counter() - started
            peak, added = json.loads(output.splitlines()[-1])
            bench.note(
                f"{kind} of {rows:,} rows, with the start of its process", "-",
                f"{took:.1f} s, {took / rows * 1e6:.1f} µs a row, peak {peak:.0f} MiB ({added:.0f} of them the step's)",
                "-", "≤ 64 MiB",
            )  # fmt: skip


def _example(n: int) -> dict[str, str]:
    """Return a line of about 460 bytes, as a row of the table."""
    name = f"{n:x}".translate(_LETTERS)  # queries that differ in numbers alone are one group
    query = f"question {name} asks: " + f"prove that the {n % 97}th step of plan {name} comes before all others; " * 4
    return {"query": query, "label": ("EASY", "MEDIUM", "HARD")[n % 3], "labelled_at": "2026-01-31T12:00:00Z"}


def _upload(folder: Path, rows: int) -> str:
    folder.mkdir()
    with (folder / "upload.jsonl").open("wb") as file:
        file.writelines(orjson.dumps(_example(n)) + b"\n" for n in range(rows))
    settings = get_settings()
    upload = open_store(settings.artifacts(), settings).put_folder("upload", folder, {})
    (folder / "upload.jsonl").unlink()
    return upload


def _binary_rows(count: int) -> list[bytes]:
    """Return the same rows, ready for a binary COPY."""
    at = binary_copy.timestamptz(datetime(2026, 1, 31, 12, tzinfo=UTC))
    pieces, piece = [], bytearray(binary_copy.HEADER)
    for n in range(count):
        row = parse_labelled(_example(n))
        texts = (row.id, row.input, row.group, row.label, "bench")
        piece += binary_copy.row([*(text.encode() for text in texts), at])
        if len(piece) >= _PIECE:
            pieces.append(bytes(piece))
            piece = bytearray()
    return [*pieces, bytes(piece) + binary_copy.TRAILER]


def _empty() -> None:
    with psycopg.connect(get_settings().dsn(), autocommit=True) as conn:
        conn.execute("TRUNCATE ml_data")
        conn.execute("CHECKPOINT")


def _rate(rows: int, action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return rows / (time.perf_counter() - started)


def _import(upload: str, rows: int) -> float:
    _empty()
    return _rate(rows, partial(finish, "router.import", upload=upload, format="jsonl"))


def _bare_import(pieces: list[bytes]) -> float:
    _empty()

    def insert() -> None:
        with psycopg.connect(get_settings().dsn()) as conn:
            conn.execute(f"CREATE TEMPORARY TABLE staged ({_STAGED}) ON COMMIT DROP")
            with conn.cursor().copy("COPY staged FROM STDIN (FORMAT binary)") as copy:
                for piece in pieces:
                    copy.write(piece)
            conn.execute(_UPSERT)

    return _rate(_ROWS, insert)


def _export() -> float:
    return _rate(_ROWS, partial(finish, "router.freeze"))


def _bare_export(query: str) -> float:
    def read() -> None:
        with psycopg.connect(get_settings().dsn()) as conn, conn.cursor().copy(f"COPY ({query}) TO STDOUT") as copy:
            assert sum(1 for _ in copy) == _ROWS

    return _rate(_ROWS, read)
