"""Made-up insights with known duplicates, for the demo and for tests: who says the same thing is known here.

A thing is said in several ways (the duplicates), with a slip of the pen now and then, and has near misses beside it:
the same words about another figure or the opposite direction, which must not be merged. Seeded: the same seed, the same
insights.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from shared.pipelines.dedup.contracts import ClusterDecision


@dataclass(frozen=True, kw_only=True)
class SampleInsight:
    """A statement with its source and locator. ``thing`` names what it says: equal things are duplicates.

    ``family`` names what it is about: the near misses of a thing are in its family.
    """

    statement: str
    source: str
    locator: str
    thing: str
    family: str


@dataclass(frozen=True, kw_only=True)
class _Family:
    """What several things are about. ``ways`` say a thing; ``variants`` fill them, each another thing."""

    name: str
    ways: tuple[str, ...]
    variants: tuple[Mapping[str, str], ...]


_GROUPS: Final = (
    "small shops", "large hospitals", "young teams", "rural schools", "night workers", "first-time buyers",
    "returning visitors", "freelance designers", "city councils", "delivery drivers",
)  # fmt: skip
_FIGURES: Final = ("waiting time", "number of complaints", "cost of support", "share of refunds", "length of calls")
_PERIODS: Final = ("spring", "the last quarter", "the holidays", "the first week")
_HABITS: Final = (
    ("pay late", "late payment"), ("cancel within a month", "cancelling within a month"),
    ("skip the training", "skipping the training"), ("ask for printed reports", "asking for printed reports"),
    ("work without a contract", "working without a contract"),
)  # fmt: skip
_CHOICES: Final = (
    ("short videos", "long manuals"), ("phone support", "chat bots"), ("fixed prices", "hourly rates"),
    ("weekly meetings", "daily reports"), ("cloud storage", "own servers"),
)  # fmt: skip

_CHANGE_WAYS: Final = (
    "The {what} among {who} {went} by {n} percent in {when}.",
    "In {when}, the {what} of {who} {went} {n} percent.",
    "{n} percent: by so much the {what} {went} for {who} during {when}.",
    "For {who}, {when} meant that the {what} {went} by {n} percent.",
)
_SHARE_WAYS: Final = (
    "{n} percent of {who} {do}.",
    "Out of a hundred {who}, {n} {do}.",
    "Among {who}, {doing} is seen in {n} percent of the cases.",
    "{n} in a hundred {who} {do}.",
)
_CHOICE_WAYS: Final = (
    "{who} prefer {x} to {y}.",
    "Given the choice between them, {who} take {x} rather than {y}.",
    "{x} suit {who} better than {y} do.",
    "Between {x} and {y}, {who} choose {x}.",
)
_OPENERS: Final = ("We keep hearing this: ", "Finding: ", "Several people told us the same. ", "In short: ")


def insights(families: int, seed: int, *, ways: int = 4, repeats: int = 0) -> list[SampleInsight]:
    """Return the insights of so many families in a shuffled order: each thing said in so many ways (4 at most).

    And ``repeats`` times more in one of these ways with other words before it (4 times the ways at most).
    """
    rng = random.Random(seed)  # noqa: S311  (a sample, no secret)
    made: list[SampleInsight] = []
    for family in _families(rng, families):
        for variant, values in enumerate(family.variants):
            sentences = [_sentence(way, values) for way in family.ways[:ways]]
            more = rng.sample([opener + text for text, opener in product(sentences, _OPENERS)], repeats)
            said = [_slipped(rng, text) for text in (*sentences, *more)]
            made += [_insight(rng, text, f"{family.name}/{variant}", family.name) for text in said]
    rng.shuffle(made)
    return made


def decide(things: Mapping[str, str]) -> ClusterDecision:
    """Return what somebody who knows says of a cluster: the thing of each of its members, by insight id.

    The largest number of members that say one thing are merged; of equally many, the thing that comes first by name.
    """
    counted = Counter(things.values())
    thing, most = min(counted.items(), key=lambda found: (-found[1], found[0]))
    if most == len(things):
        return ClusterDecision(decision="approve")
    if most == 1:
        return ClusterDecision(decision="reject")
    return ClusterDecision(decision="partial", subset=tuple(sorted(i for i, said in things.items() if said == thing)))


def _families(rng: random.Random, count: int) -> Iterator[_Family]:
    made = [*_changes(rng), *_shares(rng), *_choices()]
    rng.shuffle(made)
    if count > len(made):
        raise ValueError(f"there are {len(made)} families at most")
    yield from made[:count]


def _changes(rng: random.Random) -> Iterator[_Family]:
    for who, what, when in product(_GROUPS, _FIGURES, _PERIODS):
        n, other = rng.sample(range(3, 60), 2)
        values = {"who": who, "what": what, "when": when, "went": "rose", "n": str(n)}
        nears = ({**values, "went": "fell"}, {**values, "n": str(other)})
        yield _Family(name=f"{what}/{who}/{when}", ways=_CHANGE_WAYS, variants=(values, rng.choice(nears)))


def _shares(rng: random.Random) -> Iterator[_Family]:
    for who, (do, doing) in product(_GROUPS, _HABITS):
        n, other = rng.sample(range(5, 95), 2)
        values = {"who": who, "do": do, "doing": doing, "n": str(n)}
        yield _Family(name=f"{do}/{who}", ways=_SHARE_WAYS, variants=(values, {**values, "n": str(other)}))


def _choices() -> Iterator[_Family]:
    for who, (x, y) in product(_GROUPS, _CHOICES):
        values = {"who": who, "x": x, "y": y}
        yield _Family(name=f"{x}/{who}", ways=_CHOICE_WAYS, variants=(values, {"who": who, "x": y, "y": x}))


def _sentence(way: str, values: Mapping[str, str]) -> str:
    text = way.format(**values)
    return text[0].upper() + text[1:]


def _insight(rng: random.Random, text: str, thing: str, family: str) -> SampleInsight:
    return SampleInsight(
        statement=text,
        source=f"Interview {rng.randint(1, 12)}",
        locator=f"page {rng.randint(1, 90)}",
        thing=thing,
        family=family,
    )


def _slipped(rng: random.Random, text: str) -> str:
    """Swap two letters inside a longer word, one time in eight."""
    words = text.split(" ")
    longer = [place for place, word in enumerate(words) if len(word) > 5 and word.isalpha()]  # noqa: PLR2004
    if longer and rng.random() < 1 / 8:
        place = rng.choice(longer)
        word, at = words[place], rng.randint(1, len(words[place]) - 3)
        words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)
