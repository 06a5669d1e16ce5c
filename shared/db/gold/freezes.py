"""SQL of ``ml.freezes``: the seed's names (``train_v1``, ``eval_v1``) of what was frozen."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from psycopg import Connection
from psycopg.rows import class_row

Kind = Literal["train", "eval"]


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """One row of ``ml.freezes``. ``ids_hash`` is the SHA-256 of the ids, sorted, one a line."""

    name: str
    kind: Kind
    version: int
    dataset_id: str
    split: str
    ids_hash: str
    count: int
    created_at: datetime


_COLUMNS: Final = "name, kind, version, dataset_id, split, ids_hash, count, created_at"
_LOCK: Final = "LOCK TABLE ml.freezes IN SHARE ROW EXCLUSIVE MODE"  # versions are given one after the other
_PUT: Final = f"""
INSERT INTO ml.freezes (name, kind, version, dataset_id, split, ids_hash, count, job_id)
SELECT %(kind)s || '_v' || next, %(kind)s, next, %(dataset)s, %(split)s, %(hash)s, %(count)s, %(job)s
FROM (SELECT coalesce(max(version), 0) + 1 AS next FROM ml.freezes WHERE kind = %(kind)s) AS versions
RETURNING {_COLUMNS}
"""


def put_freeze(
    conn: Connection, *, kind: Kind, dataset_id: str, split: str, ids_hash: str, count: int, job_id: str
) -> tuple[Freeze, bool]:
    """Give a dataset's split the next version of its kind, or return the one it has; and whether it is new."""
    conn.execute(_LOCK)
    with conn.cursor(row_factory=class_row(Freeze)) as cursor:
        known = cursor.execute(
            f"SELECT {_COLUMNS} FROM ml.freezes WHERE kind = %s AND dataset_id = %s", [kind, dataset_id]
        ).fetchone()
        if known:
            return known, False
        values = {
            "kind": kind, "dataset": dataset_id, "split": split, "hash": ids_hash, "count": count, "job": job_id,
        }  # fmt: skip
        return cursor.execute(_PUT, values).fetchall()[0], True


def find_freeze(conn: Connection, name: str) -> Freeze | None:
    """Return what was frozen under a name, if anything was."""
    with conn.cursor(row_factory=class_row(Freeze)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM ml.freezes WHERE name = %s", [name]).fetchone()


def approved_ids(conn: Connection, *, human: bool = False) -> dict[str, str]:
    """Return the ids of the approved examples, each with its group; ``human``: only what a person said."""
    query = """
        SELECT e.id, e.group_key FROM ml.examples e JOIN ml.gold g ON g.example_id = e.id
        WHERE g.status = 'approved' AND (g.origin = 'human' OR NOT %s)
    """
    return dict(conn.execute(query, [human]).fetchall())


def hash_of(ids: Iterable[str]) -> str:
    """Return the hash that names a set of ids, whatever their order."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
