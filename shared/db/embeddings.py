"""SQL of the table ``llm_embeddings``: vectors of texts by the text's hash."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from psycopg import Connection


def find_vectors(conn: Connection, model: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return the vectors (little-endian float32) that are known, by the hash of their text."""
    rows = conn.execute(
        "SELECT key, vector FROM llm_embeddings WHERE model = %s AND key = ANY(%b)", [model, list(keys)]
    )
    return {bytes(key): bytes(vector) for key, vector in rows}


_KEEP: Final = """
INSERT INTO llm_embeddings (model, key, vector)
SELECT %(model)s, key, vector FROM unnest(%(keys)b::bytea[], %(vectors)b::bytea[]) AS t (key, vector)
ON CONFLICT DO NOTHING
"""


def keep_vectors(conn: Connection, model: str, vectors: Mapping[bytes, bytes]) -> None:
    """Keep vectors by the hash of their text; those that are known stay as they are."""
    ordered = sorted(vectors.items())  # in one order: two writers of the same rows shall not wait for each other
    conn.execute(_KEEP, {"model": model, "keys": [key for key, _ in ordered], "vectors": [v for _, v in ordered]})


_PRUNE: Final = """
DELETE FROM llm_embeddings WHERE (model, key) IN (SELECT model, key FROM llm_embeddings WHERE at < now() - %s LIMIT %s)
"""


def prune_vectors(conn: Connection, age: timedelta, limit: int) -> int:
    """Forget vectors older than ``age``, at most ``limit``; returns how many."""
    return conn.execute(_PRUNE, [age, limit]).rowcount
