"""Where statements that look alike differ, word by word: pure, and of the texts alone."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

# A word, a number with its sign, or a symbol that says something (%, $, +); not what only parts sentences.
_WORD: Final = re.compile(
    r"(?<!\w)[-+−]\d+(?:[.,]\d+)*|\w+(?:[.,'’]\w+)*|[^\w\s.,;:!?…'\"“”„‘’«»()\[\]–—-]"  # noqa: RUF001
)


@dataclass(frozen=True, slots=True)
class Run:
    """Text that is the same as in the statement it is compared with, or that is not."""

    text: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """A statement, by its place among those that were given."""

    place: int
    runs: tuple[Run, ...]


def compare(statements: Sequence[str]) -> list[Compared]:
    """Compare statements with the one that is most like all others, which comes first; then the most alike to it.

    In that first one, what less than half of the others have too is marked; in each other, what it does not have. Case
    and what parts sentences make no difference; both are shown as they are.
    """
    if not statements:
        return []
    bags = [Counter(_words(statement)) for statement in statements]
    alike = [[_shared(a, b) for b in bags] for a in bags]
    places = range(len(statements))
    first = max(places, key=lambda place: (sum(alike[place]), -place))
    rest = sorted((place for place in places if place != first), key=lambda place: (-alike[first][place], place))
    kept: Counter[int] = Counter()
    compared = []
    for place in rest:
        in_first, in_other = _same(statements[first], statements[place])
        kept.update(in_first)
        compared.append(Compared(place, _runs(statements[place], in_other)))
    common = {at for at in range(len(_spans(statements[first]))) if 2 * kept[at] >= len(rest)}
    return [Compared(first, _runs(statements[first], common)), *compared]


def _spans(text: str) -> list[tuple[int, int]]:
    return [found.span() for found in _WORD.finditer(text)]


def _words(text: str) -> list[str]:
    return [text[start:end].casefold() for start, end in _spans(text)]


def _shared(a: Counter[str], b: Counter[str]) -> float:
    return 2 * (a & b).total() / ((a.total() + b.total()) or 1)


def _same(a: str, b: str) -> tuple[set[int], set[int]]:
    """Return which words of each the other has too, in the same order."""
    blocks = SequenceMatcher(None, _words(a), _words(b), autojunk=False).get_matching_blocks()
    return (
        {block.a + step for block in blocks for step in range(block.size)},
        {block.b + step for block in blocks for step in range(block.size)},
    )


def _runs(text: str, same: set[int]) -> tuple[Run, ...]:
    """Cut a text where sameness changes; the space between two words that differ belongs to them."""
    runs: list[Run] = []
    at, differs = 0, False
    for number, (start, _) in enumerate(_spans(text)):
        now = number not in same
        if now == differs:
            continue
        cut = start if now else len(text[:start].rstrip())
        if cut > at:
            runs.append(Run(text[at:cut], differs))
        at, differs = cut, now
    return (*runs, Run(text[at:], differs)) if at < len(text) else tuple(runs)
