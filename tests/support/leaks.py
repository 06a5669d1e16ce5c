"""All that a stack has written down, as text, to look for what must not be there."""

from pathlib import Path

import redis

from shared.artifacts import ArtifactStore
from shared.db.pool import Database


def in_tables(database: Database, *, besides: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return each table's rows as text, but for the tables that are personal data's place."""
    with database.reading() as conn:
        found = conn.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        return {
            f"table {schema}.{name}": str(
                conn.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM \"{schema}\".\"{name}\" t").fetchone()
            )
            for schema, name in found
            if name not in besides
        }


def in_redis(url: str) -> str:
    """Return all that Redis holds (rewriting its log would hold no more)."""
    with redis.Redis.from_url(url) as client:
        readers = {
            b"string": client.get,
            b"list": lambda key: client.lrange(key, 0, -1),
            b"set": client.smembers,
            b"hash": client.hgetall,
            b"zset": lambda key: client.zrange(key, 0, -1),
        }
        return " ".join(f"{key!r} {readers[client.type(key)](key)!r}" for key in client.scan_iter())


def in_logs(folder: Path) -> dict[str, str]:
    """Return what each process has logged."""
    return {f"log {log.name}": log.read_text() for log in folder.iterdir()}


def in_blobs(store: ArtifactStore, folder: Path, *, besides: set[str]) -> dict[str, str]:
    """Return each stored blob of a local store as text, but for those with one of these hashes."""
    kept = {file.sha256 for manifest in besides for file in store.manifest(manifest).files.values()}
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in kept]
    return {f"blob {path.name}": path.read_bytes().decode("utf-8", "replace") for path in paths}
