"""SQL of what people said that cannot be right together, and of what they disagree on."""

from itertools import pairwise
from typing import Final, NamedTuple

from psycopg import Connection

Pair = tuple[str, str]


class StandingConflict(NamedTuple):
    """Two insights that people keep separate, and the chain of merges from ``a`` to ``b``."""

    a: str
    b: str
    chain: list[str]

    @property
    def pairs(self) -> list[Pair]:
        """The pair that is kept separate, then the pairs of the chain."""
        return [(self.a, self.b), *((min(link), max(link)) for link in pairwise(self.chain))]


_CONFLICTS: Final = """
SELECT a, b, chain, count(*) OVER () FROM pair_conflicts ORDER BY found_at, a, b LIMIT %s
"""
_DISAGREEMENTS: Final = """
SELECT v.a, v.b, count(*) OVER () FROM pair_votes v
WHERE NOT EXISTS (SELECT FROM pairs p WHERE p.a = v.a AND p.b = v.b)
GROUP BY v.a, v.b HAVING count(*) >= %s ORDER BY v.a, v.b LIMIT %s
"""


def conflicts(conn: Connection, limit: int) -> tuple[int, list[StandingConflict]]:
    """Return how many conflicts there are, and the oldest of them."""
    found = conn.execute(_CONFLICTS, [limit]).fetchall()
    return (found[0][3] if found else 0), [StandingConflict(a, b, chain) for a, b, chain, _ in found]


def count_conflicts(conn: Connection) -> int:
    """Return how many conflicts there are: while there is one, nothing is exported."""
    ((count,),) = conn.execute("SELECT count(*) FROM pair_conflicts").fetchall()
    return int(count)


def disagreements(conn: Connection, limit: int, min_responses: int) -> tuple[int, list[Pair]]:
    """Return how many pairs enough people were asked about and have no label, and some of them."""
    found = conn.execute(_DISAGREEMENTS, [min_responses, limit]).fetchall()
    return (found[0][2] if found else 0), [(a, b) for a, b, _ in found]
