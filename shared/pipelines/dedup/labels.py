"""What decisions mean, purely: from a decision to labels of pairs, from several people's to one, and what contradicts.

A pair is two ids in order. Labels are ``merge`` and ``separate``; two things that are each the same as a third are the
same, so a chain of merges between two that people keep separate is a contradiction.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

from shared.pipelines.dedup.contracts import ClusterDecision, PairLabel

Pair = tuple[str, str]

MERGE: Final[PairLabel] = "merge"
SEPARATE: Final[PairLabel] = "separate"


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """Two that are kept separate, and the shortest chain of merges from ``a`` to ``b``, both in it."""

    a: str
    b: str
    chain: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Structure:
    """What labelled pairs make of the ids in them.

    ``component``: for each id the smallest id among all that labelled pairs connect it with. ``contradicted``: pairs
    that cannot be right together; without those of them that are merges no chain contradicts a separate pair any more.
    ``groups``: ids that are the same thing by merges that nothing contradicts, each group sorted.
    """

    component: Mapping[str, str]
    contradictions: tuple[Contradiction, ...]
    contradicted: frozenset[Pair]
    groups: tuple[tuple[str, ...], ...]


def in_order(a: str, b: str) -> Pair:
    """Return two ids as a pair."""
    return (a, b) if a < b else (b, a)


def expand(members: Iterable[str], decision: ClusterDecision) -> dict[Pair, PairLabel]:
    """Return what a decision about these members says of each pair; a pair that is not there has no label.

    ``approve``: all are merged. ``reject``: all are separate. ``partial``: the subset is merged, each of it is separate
    from each of the rest, and of the rest among themselves nothing is said.
    """
    pairs = list(combinations(sorted(set(members)), 2))
    if decision.decision != "partial":
        label = MERGE if decision.decision == "approve" else SEPARATE
        return dict.fromkeys(pairs, label)
    subset = set(decision.subset)
    inside = {pair: sum(each in subset for each in pair) for pair in pairs}
    return {pair: MERGE if count == 2 else SEPARATE for pair, count in inside.items() if count}  # noqa: PLR2004


def agreed(votes: Sequence[PairLabel], *, min_responses: int, min_agreement: float) -> PairLabel | None:
    """Return the label that enough people agree on; None: too few have said something, or they disagree."""
    if len(votes) < max(1, min_responses):
        return None
    label, count = Counter(votes).most_common(1)[0]
    return label if count >= min_agreement * len(votes) else None


def structure(labels: Mapping[Pair, PairLabel], also: Iterable[Pair] = ()) -> Structure:
    """Find components, contradictions and groups of labelled pairs.

    ``also``: pairs that are merged without anybody's label; they count for the groups only, and
    only where they join no two ids that people keep separate.
    """
    sound = {pair for pair, label in labels.items() if label == MERGE}
    first: dict[Pair, Contradiction] = {}
    contradicted: set[Pair] = set()
    while found := _contradictions(labels, sound):
        for each in found:
            first.setdefault((each.a, each.b), each)
            links = {in_order(*link) for link in pairwise(each.chain)}
            contradicted |= {(each.a, each.b), *links}
            sound -= links
    return Structure(
        component=_smallest(labels),
        contradictions=tuple(first[pair] for pair in sorted(first)),
        contradicted=frozenset(contradicted),
        groups=_groups(_unlabelled(labels, sorted(sound), also)),
    )


def _contradictions(labels: Mapping[Pair, PairLabel], merges: Iterable[Pair]) -> list[Contradiction]:
    """Return for each separate pair that merges connect the shortest chain of them."""
    together, links = _smallest(merges), _links(merges)
    return [
        Contradiction(a=a, b=b, chain=_chain(links, a, b))
        for (a, b), label in sorted(labels.items())
        if label == SEPARATE and _same(together, a, b)
    ]


def _same(together: Mapping[str, str], a: str, b: str) -> bool:
    return a in together and together[a] == together.get(b)


def _groups(pairs: Iterable[Pair]) -> tuple[tuple[str, ...], ...]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for each, first in sorted(_smallest(pairs).items()):
        groups[first].append(each)
    return tuple(map(tuple, groups.values()))


def _unlabelled(labels: Mapping[Pair, PairLabel], sound: Sequence[Pair], also: Iterable[Pair]) -> list[Pair]:
    """Add to the sound merges those of ``also`` that join no two ids that people keep separate."""
    found = list(sound)
    for pair in sorted(pair for pair in set(also) if pair not in labels):
        tried = [*found, pair]
        together = _smallest(tried)
        if not any(label == SEPARATE and _same(together, *kept) for kept, label in labels.items()):
            found = tried
    return found


def _smallest(pairs: Iterable[Pair]) -> dict[str, str]:
    """Return for each id the smallest of those that the pairs connect it with."""
    above: dict[str, str] = {}
    find = _finder(above)
    for a, b in pairs:
        low, high = in_order(find(a), find(b))
        above[high] = low
    return {each: find(each) for each in above}


def _finder(above: dict[str, str]) -> Callable[[str], str]:
    def find(each: str) -> str:
        root = above.setdefault(each, each)
        while above[root] != root:
            root = above[root]
        while above[each] != root:
            above[each], each = root, above[each]
        return root

    return find


def _links(pairs: Iterable[Pair]) -> dict[str, list[str]]:
    links: defaultdict[str, list[str]] = defaultdict(list)
    for a, b in sorted(pairs):
        links[a].append(b)
        links[b].append(a)
    return links


def _chain(links: Mapping[str, Sequence[str]], start: str, end: str) -> tuple[str, ...]:
    """Return the shortest way between two ids that are known to be connected; the same one every time."""
    came_from = {start: start}
    waiting = deque([start])
    while end not in came_from:
        here = waiting.popleft()
        for there in links[here]:
            if there not in came_from:
                came_from[there] = here
                waiting.append(there)
    chain = [end]
    while chain[-1] != start:
        chain.append(came_from[chain[-1]])
    return tuple(reversed(chain))
