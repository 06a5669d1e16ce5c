"""How far two answers say the same, 0 to 1: words of a closed list, numbers, free texts and entries of lists."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.llm.wording import word_f1
from shared.pipelines.stages.contracts_parts import TEXTS

_SAME_ANYWAY: Final = frozenset({"schema_version"})
_KEYS: Final = ("name", "role", "rival", "factor")
"""The field that says what an entry of a list is about: entries about the same are compared, in any order."""


def agreement(said: Mapping[str, Any], truth: Mapping[str, Any]) -> float:
    """Return how far an answer says the same as the approved one: the mean over the fields that either of them has.

    Entries of a list that are about the same thing are compared with each other; ``actions``, which are about nothing
    named, in their order. What only one of the two has counts 0. Free texts: F1 of their words; numbers: their ratio.
    """
    names = [name for name in dict.fromkeys((*truth, *said)) if name not in _SAME_ANYWAY]
    return _mean([_same(name, said.get(name), truth.get(name)) for name in names])


def _same(name: str, said: Any, truth: Any) -> float:
    if isinstance(truth, Mapping):
        return agreement(said, truth) if isinstance(said, Mapping) else 0.0
    if isinstance(truth, Sequence) and not isinstance(truth, str):
        return _lists(said, truth) if isinstance(said, Sequence) and not isinstance(said, str) else 0.0
    if isinstance(truth, str) and name in TEXTS:
        return word_f1(said, truth) if isinstance(said, str) else 0.0
    if _is_number(truth) and _is_number(said):
        return _ratio(float(said), float(truth))
    return float(type(said) is type(truth) and said == truth)


def _lists(said: Sequence[Any], truth: Sequence[Any]) -> float:
    if not said and not truth:
        return 1.0
    if not all(isinstance(entry, Mapping) for entry in (*said, *truth)):
        mine, theirs = Counter(map(str, said)), Counter(map(str, truth))
        return 2 * (mine & theirs).total() / (mine.total() + theirs.total())
    ours, others = _by_key(said), _by_key(truth)
    return math.fsum(agreement(ours[key], others[key]) for key in ours.keys() & others.keys()) / len(
        ours.keys() | others.keys()
    )


def _by_key(entries: Sequence[Mapping[str, Any]]) -> dict[Any, Mapping[str, Any]]:
    """Return entries by what they are about, or by their place; the first about a thing counts."""
    found: dict[Any, Mapping[str, Any]] = {}
    for place, entry in enumerate(entries):
        key = next((entry[name] for name in _KEYS if isinstance(entry.get(name), str)), place)
        found.setdefault(key, entry)
    return found


def _ratio(one: float, other: float) -> float:
    if not (math.isfinite(one) and math.isfinite(other)):
        return 0.0
    most = max(abs(one), abs(other))
    return max(0.0, 1 - abs(one - other) / most) if most else 1.0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 1.0
