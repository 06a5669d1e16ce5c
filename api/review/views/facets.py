"""What values of any shape have in common: their fields of few words or of numbers, tallied by group.

A label may be a word, a number or an object; an answer is an object. This looks at all of them in one way, so that
every pipeline's labels and answers are charted without a word about any pipeline. Free text and lists are left out.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api.review import words

LABEL: Final = "label"
_MOST_WORDS: Final = 12  # different ones that a chart can tell apart
_LONGEST: Final = 40
_FEW_NUMBERS: Final = 6
_DEPTH: Final = 2
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SHOWN: Final = 6


@dataclass(frozen=True, kw_only=True)
class Facet:
    """A field: how often each word occurs, or its numbers, by group. One of the two is empty."""

    name: str
    words: Mapping[str, Counter[str]]
    numbers: Mapping[str, Sequence[float]]

    @property
    def title(self) -> str:
        """The field's name for people."""
        return words.label(_HUMP.sub(" ", self.name).replace(".", " ").lower())

    def values(self) -> list[str]:
        """Return the words, the most frequent first, equal ones in their own order."""
        total: Counter[str] = Counter()
        for counted in self.words.values():
            total.update(counted)
        return sorted(total, key=lambda word: (-total[word], word))


def facets(values: Iterable[tuple[str, Any]], *, first: str = LABEL) -> list[Facet]:
    """Tally values, each with its group. Fields that always say the same are there only if nothing else is."""
    found: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for group, value in values:
        for name, scalar in _fields(value, first):
            found[name][group].append(scalar)
    tallied = [facet for name, groups in found.items() if (facet := _facet(name, groups))]
    telling = [facet for facet in tallied if facet.numbers or len(facet.values()) > 1]
    return (telling or tallied)[:_SHOWN]


def _fields(value: Any, name: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        if depth < _DEPTH:
            for key, inner in value.items():
                yield from _fields(inner, key if depth == 0 else f"{name}.{key}", depth + 1)
    elif value is not None and not isinstance(value, list):
        yield name, value


def _facet(name: str, groups: Mapping[str, list[Any]]) -> Facet | None:
    everything = {value for values in groups.values() for value in values}
    numbers = not any(isinstance(value, str | bool) for value in everything)
    whole = numbers and all(float(value).is_integer() for value in everything)
    if numbers and not (whole and len(everything) <= _FEW_NUMBERS):
        return Facet(
            name=name, words={}, numbers={group: [float(v) for v in values] for group, values in groups.items()}
        )
    if len(everything) > _MOST_WORDS or any(len(str(value)) > _LONGEST for value in everything):
        return None
    return Facet(
        name=name, words={group: Counter(_word(v) for v in values) for group, values in groups.items()}, numbers={}
    )


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else words.figure(int(value))
