"""From the standing responses about an item to labels of pairs: the part of a decision, or of its undoing, that counts.

What is derived depends on nothing but the responses that stand: settling twice changes nothing, and taking a response
back gives what would be without it.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain

from psycopg import Connection

from shared.contracts import JsonObject
from shared.db import dedup
from shared.db.dedup import Conflict, Labelled, Vote
from shared.pipelines.dedup.contracts import PairLabel, pair_id
from shared.pipelines.dedup.labels import Pair, Structure, agreed, structure
from shared.pipelines.dedup.policy import policy
from shared.review import Response

_MOST_LISTED = 20


def votes_of(item_id: str, response: Response, said: Mapping[Pair, PairLabel]) -> list[Vote]:
    """Return what a response says of each pair, with its provenance."""
    return [
        Vote(
            a=a, b=b, label=label, item_id=item_id, decision_id=response.id, person=response.reviewer, at=response.at
        )
        for (a, b), label in sorted(said.items())
    ]  # fmt: skip


def settle_votes(conn: Connection, item_id: str, votes: Sequence[Vote], insights: Sequence[str] = ()) -> JsonObject:
    """Put an item's votes in the place of those before, and derive the labels of all that they touch.

    ``insights``: others whose merges are to be derived anew. Returns how many pairs are labelled by whom enough agree,
    how many are disagreed on, and the contradictions, by ids only.
    """
    dedup.lock_labels(conn)
    touched = dedup.replace_votes(conn, item_id, votes)
    about: defaultdict[Pair, list[Vote]] = defaultdict(list)
    for vote in dedup.votes_about(conn, touched):
        about[vote.a, vote.b].append(vote)
    derived = {pair: label for pair in touched if (label := _agreed(about[pair]))}
    before, machine = _around(conn, {*chain.from_iterable(touched), *insights})
    labels = {pair: label for pair, label in before.items() if pair not in touched} | derived
    found = structure(labels, machine)
    rows = [_row(pair, labels[pair], found, about[pair] if pair in derived else ()) for pair in sorted(labels)]
    dedup.write_labels(conn, rows, touched - derived.keys())
    conflicts = [Conflict(each.a, each.b, list(each.chain)) for each in found.contradictions]
    dedup.write_conflicts(conn, labels, conflicts)
    concerned = {*chain.from_iterable([*touched, *before, *machine]), *insights}
    alone = concerned - set(chain.from_iterable(found.groups))
    dedup.write_merges(conn, [*found.groups, *((each,) for each in sorted(alone))])
    return _came_to(touched, about, derived, conflicts)


def _agreed(votes: Sequence[Vote]) -> PairLabel | None:
    rules = policy().review
    said: list[PairLabel] = ["merge" if vote.label == "merge" else "separate" for vote in votes]
    return agreed(said, min_responses=rules.min_responses, min_agreement=rules.min_agreement)


def _around(conn: Connection, insights: set[str]) -> tuple[dict[Pair, PairLabel], list[Pair]]:
    """Return all labels, and all merges by models, that are connected with these insights."""
    while True:
        labels = dedup.labelled_around(conn, insights)
        reached = insights | {each for pair in labels for each in (pair.a, pair.b)}
        machine = dedup.merged_by_machine(conn, reached)
        reached |= set(chain.from_iterable(machine))
        if reached == insights:
            break
        insights = reached
    known: dict[Pair, PairLabel] = {(p.a, p.b): "merge" if p.label == "merge" else "separate" for p in labels}
    return known, machine


def _row(pair: Pair, label: PairLabel, found: Structure, votes: Sequence[Vote]) -> Labelled:
    a, b = pair
    latest = next((vote for vote in reversed(votes) if vote.label == label), None)
    return Labelled(
        a=a, b=b, label=label, id=pair_id(a, b), component=found.component[a], conflict=pair in found.contradicted,
        vote=latest,
    )  # fmt: skip


def _came_to(
    touched: set[Pair], about: Mapping[Pair, Sequence[Vote]], derived: Mapping[Pair, PairLabel],
    conflicts: Sequence[Conflict],
) -> JsonObject:  # fmt: skip
    counts = Counter(derived.values())
    disagreed = sum(
        pair not in derived and len(about.get(pair, ())) >= policy().review.min_responses for pair in touched
    )
    return {
        "merge": counts["merge"],
        "separate": counts["separate"],
        "disagreed": disagreed,
        "conflicts": len(conflicts),
        "conflict_list": [found._asdict() for found in conflicts[:_MOST_LISTED]],
    }
