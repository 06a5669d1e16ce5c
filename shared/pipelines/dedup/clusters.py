"""Which cluster is which: ids that stay from one run to the next, and what a cluster's pairs have in common."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.ids import content_id
from shared.pipelines.dedup.contracts import CLUSTER

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FRESH: Final = 8

Members = tuple[str, ...]
Pair = tuple[str, str]


class Likeness(NamedTuple):
    """The least, mean and greatest cosine over the pairs of a cluster."""

    least: float
    mean: float
    greatest: float


def likeness(vectors: "NDArray[np.float32]") -> Likeness:
    """Return how alike two or more vectors (rows of length 1) are."""
    import numpy as np

    cosines = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)].astype(float).clip(-1, 1)
    return Likeness(float(cosines.min()), float(cosines.mean()), float(cosines.max()))


def kept_ids(groups: Sequence[Members], known: Mapping[str, Collection[str]]) -> dict[Members, str]:
    """Return which groups are clusters that are known: those that most of a cluster's members are in.

    Where most members of two clusters come together, the one with more of them there gives its id; then the smaller id.
    """
    place = {member: group for group in groups for member in group}
    claims: defaultdict[Members, list[tuple[int, str]]] = defaultdict(list)
    for cluster_id, members in known.items():
        stay = Counter(place[member] for member in members if member in place)
        for group, overlap in stay.items():
            if 2 * overlap > len(members):  # of one group at most
                claims[group].append((-overlap, cluster_id))
    return {group: min(claimed)[1] for group, claimed in claims.items()}


def fresh_ids(group: Members) -> list[str]:
    """Return the ids that a new cluster may have, the first that is free first: the same members, the same id.

    One may not be free, since a cluster keeps its id while its members change.
    """
    return [content_id(CLUSTER, *group, *([str(number)] if number else [])) for number in range(_FRESH)]


def servable(groups: Iterable[Members], apart: Collection[Pair], merged: Collection[str]) -> list[Members]:
    """Return the groups without those that people have decided on, in part at least, since they were made."""
    return [
        group
        for group in groups
        if not any(member in merged for member in group) and not any(pair in apart for pair in combinations(group, 2))
    ]
