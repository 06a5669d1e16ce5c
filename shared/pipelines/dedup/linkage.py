"""Clusters of near-duplicates that do not chain: hierarchical, inside the connected components of the neighbour graph.

Complete linkage: every two members of a cluster are similar enough. Average linkage: any two parts of it were so on
average when they were joined. Both are exact, although only neighbours are looked at: two parts with one pair missing
are below the threshold in complete linkage, and an average above it takes one pair at least that is above it.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

from shared.pipelines.dedup.policy import Linkage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Apart: TypeAlias = Iterable[tuple[int, int]]

PAIR: Final = 2


class Graph(NamedTuple):
    """Vectors (float32 [n, d] of length 1), and the pairs of them that are neighbours: places, and their cosine."""

    vectors: "NDArray[np.float32]"
    first: "NDArray[np.int64]"
    second: "NDArray[np.int64]"
    similarity: "NDArray[np.float32]"


def clusters(graph: Graph, *, linkage: Linkage, threshold: float, max_size: int, apart: Apart = ()) -> list[list[int]]:
    """Return the clusters of two or more places, each in order, ordered by their first.

    Pairs in ``apart`` (in either order) are never in one cluster. A cluster that is full takes nothing more: the most
    similar come first. The same graph gives the same clusters; of equally similar parts those that came earlier join.
    """
    kept_apart: defaultdict[int, set[int]] = defaultdict(set)
    for a, b in apart:
        kept_apart[a].add(b)
        kept_apart[b].add(a)
    bounds = _Bounds(threshold, max_size, kept_apart)
    links_of = _Complete if linkage == "complete" else _Average
    found: list[list[int]] = []
    for part in _components(graph, threshold):
        if len(part.members) > PAIR:
            found += _Joining(part, links_of(graph, part, kept_apart), bounds).clusters()
        elif max_size >= PAIR and part.members[0] not in kept_apart.get(part.members[1], ()):
            found.append(part.members)
    return sorted(found)


class _Component(NamedTuple):
    members: list[int]
    edges: list[tuple[int, int, float]]


class _Bounds(NamedTuple):
    threshold: float
    max_size: int
    apart: Mapping[int, set[int]]


def _components(graph: Graph, threshold: float) -> Iterator[_Component]:
    """Yield the places that neighbours connect, two at least, with their edges."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    near = graph.similarity >= np.float32(threshold)
    first, second, similarity = graph.first[near], graph.second[near], graph.similarity[near]
    count = len(graph.vectors)
    if not len(first):
        return
    matrix = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(count, count))
    _, labels = connected_components(matrix, directed=False)
    order = np.argsort(labels[first], kind="stable")
    ends = np.flatnonzero(np.diff(labels[first][order])) + 1
    for edges in np.split(order, ends):
        members = np.union1d(first[edges], second[edges])
        sides = first[edges].tolist(), second[edges].tolist(), similarity[edges].tolist()
        yield _Component(members.tolist(), list(zip(*sides, strict=True)))


# --- one component ----------------------------------------------------------------------------------------------------


class _Joining:
    """Joins the two most similar parts of a component, again and again. A part is named by a number of its own."""

    def __init__(self, part: _Component, links: "_Links", bounds: _Bounds) -> None:
        self._members: dict[int, list[int]] = {place: [place] for place in part.members}
        self._links, self._bounds = links, bounds
        self._next = max(part.members) + 1
        self._heap: list[tuple[float, int, int, int, int]] = []
        for a, b, similarity in part.edges:
            if b not in bounds.apart.get(a, ()):
                self._offer(a, b, similarity)

    def clusters(self) -> list[list[int]]:
        """Join what may be joined; return the clusters."""
        while self._heap:
            _, _, _, a, b = heapq.heappop(self._heap)
            if a in self._members and b in self._members:
                self._join(a, b)
        return [sorted(members) for members in self._members.values() if len(members) >= PAIR]

    def _join(self, a: int, b: int) -> None:
        joined, self._next = self._next, self._next + 1
        self._members[joined] = sorted(self._members.pop(a) + self._members.pop(b))
        for other, similarity in self._links.join(a, b, joined):
            self._offer(joined, other, similarity)

    def _offer(self, a: int, b: int, similarity: float) -> None:
        """Remember that two parts may be joined; equal similarities are ordered by the parts' first members."""
        size = len(self._members[a]) + len(self._members[b])
        if size > self._bounds.max_size or similarity < self._bounds.threshold:
            return
        earlier, later = sorted((self._members[a][0], self._members[b][0]))
        heapq.heappush(self._heap, (-similarity, earlier, later, a, b))


class _Links(Protocol):
    """How similar parts are to each other."""

    def join(self, a: int, b: int, joined: int) -> Sequence[tuple[int, float]]:
        """Make one part of two; return its similarity to each part with which it may be joined."""
        ...


class _Complete:
    """Parts are linked while all pairs between them are neighbours; the least similar pair counts."""

    def __init__(self, _: Graph, part: _Component, apart: Mapping[int, set[int]]) -> None:
        self._links: dict[int, dict[int, float]] = {place: {} for place in part.members}
        for a, b, similarity in part.edges:
            if b not in apart.get(a, ()):
                self._links[a][b] = self._links[b][a] = similarity

    def join(self, a: int, b: int, joined: int) -> Sequence[tuple[int, float]]:
        """Keep the links that both parts have."""
        of_a, of_b = self._links.pop(a), self._links.pop(b)
        common = {other: min(of_a[other], of_b[other]) for other in of_a.keys() & of_b.keys()}
        for other in (of_a.keys() | of_b.keys()) - {a, b}:
            self._links[other].pop(a, None)
            self._links[other].pop(b, None)
        for other, similarity in common.items():
            self._links[other][joined] = similarity
        self._links[joined] = common
        return list(common.items())


class _Average:
    """Parts are linked when one pair between them is a neighbour's.

    The mean cosine of two sets of vectors of length 1 is the product of their sums over the product of their sizes.
    """

    def __init__(self, graph: Graph, part: _Component, apart: Mapping[int, set[int]]) -> None:
        self._vectors = graph.vectors
        self._sums: dict[int, NDArray[np.float64]] = {}
        self._sizes = dict.fromkeys(part.members, 1)
        self._links: dict[int, set[int]] = {place: set() for place in part.members}
        for a, b, _ in part.edges:
            self._links[a].add(b)
            self._links[b].add(a)
        inside = set(part.members)
        self._apart = {place: inside & apart.get(place, set()) for place in part.members}

    def join(self, a: int, b: int, joined: int) -> Sequence[tuple[int, float]]:
        """Take over the links of both parts, and what is kept apart from either."""
        import numpy as np

        self._sums[joined] = self._sum(a) + self._sum(b)
        self._sizes[joined] = self._sizes.pop(a) + self._sizes.pop(b)
        for table in (self._links, self._apart):
            table[joined] = (table.pop(a) | table.pop(b)) - {a, b}
            for other in table[joined]:
                table[other] -= {a, b}
                table[other].add(joined)
        self._sums.pop(a, None)
        self._sums.pop(b, None)
        others = sorted(self._links[joined] - self._apart[joined])
        if not others:
            return []
        products = np.stack([self._sum(other) for other in others]) @ self._sums[joined]
        sizes = np.array([self._sizes[other] for other in others]) * self._sizes[joined]
        return list(zip(others, (products / sizes).tolist(), strict=True))

    def _sum(self, part: int) -> "NDArray[np.float64]":
        return self._sums[part] if part in self._sums else self._vectors[part].astype(float)
