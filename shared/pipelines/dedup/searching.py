"""Which insights are nearest to many vectors: an exact search in memory, for one in the database reads all each time.

The vectors are read once for an attempt, and then only those that came since. Where they would take too much memory,
the database searches, one statement at a time.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from psycopg import Connection

from shared.db import dedup
from shared.db.dedup import Near

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

_HEADER: Final = 4  # bytes before the numbers of a vector
_SPARE: Final = 5  # more than are asked for: some may have been merged meanwhile


class Search:
    """Exact searches among the insights of one embedding model. ``most_bytes`` bounds the vectors kept in memory."""

    def __init__(self, embedding_model: str, most_bytes: int) -> None:
        self.embedding_model = embedding_model
        self._most = most_bytes
        self._ids: list[str] = []
        self._blocks: list[Vectors] = []
        self._last = 0
        self._too_many: bool | None = None

    def nearest(
        self, conn: Connection, vectors: "Vectors", count: int, besides: Sequence[str]
    ) -> list[list[Near]]:  # fmt: skip
        """Return for each vector (rows, of length 1) its nearest insights, the nearest first.

        ``besides``: for each the insight that is itself. The same as ``dedup.nearest`` finds, but for rounding.
        """
        if self._too_many is None:
            self._too_many = dedup.size_of_vectors(conn, self.embedding_model) > self._most
        if self._too_many:
            return [
                dedup.nearest(conn, vector, self.embedding_model, count, [own])
                for vector, own in zip(vectors, besides, strict=True)
            ]
        self._refresh(conn)
        found = [
            [each for each in near if each[0] != own]
            for near, own in zip(self._closest(vectors, count + 1 + _SPARE), besides, strict=True)
        ]
        said = dedup.statements_of(conn, {insight for near in found for insight, _ in near})
        return [
            [
                Near(insight_id=insight, statement=said[insight], similarity=similarity)
                for insight, similarity in near
                if insight in said
            ][:count]
            for near in found
        ]

    def _refresh(self, conn: Connection) -> None:
        """Read the vectors that came since the last time."""
        import numpy as np

        rows = list(dedup.vectors_since(conn, self.embedding_model, self._last))
        if rows:
            numbers = b"".join(row.embedding[_HEADER:] for row in rows)
            self._blocks.append(np.frombuffer(numbers, dtype=">f4").reshape(len(rows), -1).astype(np.float32))
            self._ids += [row.id for row in rows]
            self._last = rows[-1].number
        if len(self._blocks) > 1 and len(self._blocks[-1]) * 4 > len(self._blocks[0]):
            self._blocks = [np.concatenate(self._blocks)]

    def _closest(self, vectors: "Vectors", count: int) -> list[list[tuple[str, float]]]:
        """Return ids and cosines; of equally near ones the first by id comes first."""
        import numpy as np

        if not self._ids:
            return [[] for _ in vectors]
        cosines = np.concatenate([vectors @ block.T for block in self._blocks], axis=1)
        count = min(count, cosines.shape[1])
        places = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        return [
            sorted(
                ((self._ids[place], float(cosines[row, place])) for place in places[row]),
                key=lambda each: (-each[1], each[0]),
            )
            for row in range(len(vectors))
        ]
