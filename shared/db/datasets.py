"""SQL of the table ``datasets``: what was frozen, from which rows, where the artifact is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.errors import NotFoundError


@dataclass(frozen=True, kw_only=True)
class DatasetRecord:
    """One row of ``datasets``. ``manifest`` names the artifact; ``split_counts`` has the rows of each split."""

    id: str
    pipeline: str
    surface: str
    manifest: str
    row_count: int
    split_counts: dict[str, int]
    seed: int
    job_id: str | None
    created_at: datetime


_SELECT: Final[LiteralString] = (
    "SELECT id, pipeline, surface, manifest, row_count, split_counts, seed, job_id, created_at FROM datasets "
)

_INSERT: Final = """
INSERT INTO datasets (id, pipeline, surface, manifest, row_count, split_counts, seed, job_id)
VALUES (%(id)s, %(pipeline)s, %(surface)s, %(manifest)s, %(rows)s, %(splits)s, %(seed)s, %(job_id)s)
ON CONFLICT (id) DO NOTHING
"""


def insert(
    conn: Connection,
    *,
    dataset_id: str,
    pipeline: str,
    surface: str,
    manifest: str,
    rows: int,
    splits: Mapping[str, int],
    seed: int,
    job_id: str | None,
) -> bool:
    """Record a dataset; return False when it was there already, for an id is derived from all that it holds."""
    values = {
        "id": dataset_id, "pipeline": pipeline, "surface": surface, "manifest": manifest,
        "rows": rows, "splits": Jsonb(dict(splits)), "seed": seed, "job_id": job_id,
    }  # fmt: skip
    return conn.execute(_INSERT, values).rowcount == 1


def get(conn: Connection, dataset_id: str) -> DatasetRecord:
    """Return one dataset. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(DatasetRecord)) as cursor:
        row = cursor.execute(_SELECT + "WHERE id = %s", [dataset_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no dataset {dataset_id}")
    return row


def latest(conn: Connection, pipeline: str, surface: str) -> DatasetRecord:
    """Return the dataset that was first frozen last. Raises NotFoundError when nothing was frozen yet."""
    found = list_datasets(conn, pipeline=pipeline, surface=surface, limit=1)
    if not found:
        raise NotFoundError(f"{pipeline} has no dataset for {surface}", advice=f"run {pipeline}.freeze first")
    return found[0]


def list_datasets(
    conn: Connection,
    *,
    pipeline: str | None = None,
    surface: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[DatasetRecord]:
    """Return datasets, newest first; ``before`` is the id of the last one on the page before."""
    filters: dict[LiteralString, str | None] = {
        "pipeline = %s": pipeline,
        "surface = %s": surface,
        "(created_at, id) < (SELECT created_at, id FROM datasets WHERE id = %s)": before,
    }
    given = {condition: value for condition, value in filters.items() if value is not None}
    where: LiteralString = " AND ".join(given) or "true"
    with conn.cursor(row_factory=class_row(DatasetRecord)) as cursor:
        return cursor.execute(
            _SELECT + "WHERE " + where + " ORDER BY created_at DESC, id DESC LIMIT %s", [*given.values(), limit]
        ).fetchall()
