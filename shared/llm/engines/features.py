"""What the local engines see of a text or a conversation: hashed features, the same in training and in serving.

Words, pairs of neighbouring words and word beginnings of a text; where a message is JSON, its paths and values instead.
A feature is a place in a table of 2^20 and a weight. The hash is CRC-32: the same on every machine, and C.
"""

import math
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from typing import Any, Final
from zlib import crc32

import orjson

from shared.contracts import JsonObject
from shared.llm.engines.text import text_of

PLACES: Final = 1 << 20

Features = dict[int, float]

_MASK: Final = PLACES - 1
_WORD: Final = re.compile(r"\w+")
_SPACE: Final = re.compile(r"\s")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MAX_WORDS: Final = 4_000  # of one text; what comes after is not looked at
_MAX_LEAVES: Final = 1_000  # of one JSON value
_MAX_DEPTH: Final = 32
_LONGEST_VALUE: Final = 64  # characters: a longer text is no value to be equal to
_STEM: Final = 5  # letters at a word's beginning that stand for all its forms
_COMPARED_TEXTS: Final = 4  # texts of one JSON value that are compared with each other
_MARKS: Final = (
    *(tenth / 10 for tenth in range(1, 10)),
    1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 70, 100, 150, 200, 300, 500, 700, 1_000, 2_000, 5_000, 10_000,
    20_000, 50_000, 100_000, 1_000_000, 10_000_000, 1_000_000_000,
)  # fmt: skip
_OVERLAP_BUCKETS: Final = 10

# Weights; a word of the question itself has 1. How alike two texts are says more than any word of them.
_PAIRS, _STEMS, _ELSEWHERE, _COMPARED = 0.7, 0.5, 0.4, 4.0


def text_features(text: str) -> Features:
    """Return the features of a text by itself, for embeddings."""
    found: defaultdict[int, float] = defaultdict(float)
    _add_text(found, text, "", 1.0)
    return found


def conversation_features(messages: Sequence[JsonObject]) -> Features:
    """Return the features of a conversation whose next message is asked for. The last message counts most."""
    found: defaultdict[int, float] = defaultdict(float)
    if not messages:
        return found
    for message in messages[:-1]:
        kind = "s" if message.get("role") in {"system", "developer"} else "e"
        for word in _words(text_of(message)):
            found[_place(f"{kind} {word}")] += _ELSEWHERE
    last = text_of(messages[-1])
    before, value, after = json_part(last)
    if value is None:
        _add_text(found, last, "", 1.0)
    else:
        _add_text(found, f"{before} {after}", "", 1.0)
        _add_json(found, value)
    return found


def json_part(text: str) -> tuple[str, Any, str]:
    """Return what stands before a JSON object or list in a text, its value, and what stands after it.

    The value is None where there is no such thing.
    """
    for opening, closing in ("{}", "[]"):
        end = text.rfind(closing) + 1
        # from the first sign on; or a line of its own, after words that have such signs too
        for start in dict.fromkeys((text.find(opening), text.rfind(f"\n{opening}") + 1)):
            if 0 <= start < end and text[start] == opening:
                try:
                    return text[:start], orjson.loads(text[start:end]), text[end:]
                except orjson.JSONDecodeError:
                    continue
    return text, None, ""


def leaves(value: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield the paths and values of what is no object and no list, in order; as many as are looked at."""
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    count = 0
    while stack and count < _MAX_LEAVES:
        path, item = stack.pop()
        if isinstance(item, dict) and len(path) < _MAX_DEPTH:
            stack.extend(((*path, key), item[key]) for key in sorted(item, reverse=True))
        elif isinstance(item, list) and len(path) < _MAX_DEPTH:
            stack.extend(((*path, n), item[n]) for n in reversed(range(min(len(item), _MAX_LEAVES))))
        elif not isinstance(item, dict | list):
            count += 1
            yield path, item


def _add_json(found: defaultdict[int, float], value: Any) -> None:
    texts: list[tuple[str, set[str]]] = []
    for path, leaf in leaves(value):
        name = ".".join(str(part) if isinstance(part, str) else "*" for part in path)  # a list has no order
        if isinstance(leaf, str):
            if _DATE.match(leaf):  # no two questions share it, and it would look like the most telling of all
                continue
            if len(leaf) <= _LONGEST_VALUE:
                found[_place(f"{name}={leaf}")] += 1.0
            if not _SPACE.search(leaf):  # one of a few values, not words
                continue
            _add_text(found, leaf, "", _ELSEWHERE)
            _add_text(found, leaf, name, _ELSEWHERE)
            if len(texts) < _COMPARED_TEXTS:
                texts.append((name, set(_words(leaf))))
        elif isinstance(leaf, bool) or leaf is None:
            found[_place(f"{name}={leaf}")] += 1.0
        else:
            _add_number(found, name, leaf)
    for (one, words), (other, others) in combinations(texts, 2):
        overlap = len(words & others) / max(len(words | others), 1)
        _add_overlap(found, f"{one}~{other}#", overlap * _OVERLAP_BUCKETS)


def _add_number(found: defaultdict[int, float], name: str, number: float) -> None:
    """Add a feature for each mark that a number reaches: close numbers then look alike, and limits can be learned."""
    sign = "-" if number < 0 else "+"
    found[_place(f"{name}#")] += 1.0
    for mark in _MARKS[: bisect_right(_MARKS, abs(number))]:
        found[_place(f"{name}{sign}{mark}")] += 1.0


def _add_overlap(found: defaultdict[int, float], name: str, number: float) -> None:
    """Add the two whole numbers beside a number, the nearer one with more weight."""
    low = math.floor(number)
    found[_place(f"{name}{low}")] += _COMPARED * (1.0 - (number - low))
    found[_place(f"{name}{low + 1}")] += _COMPARED * (number - low)


def _add_text(found: defaultdict[int, float], text: str, name: str, weight: float) -> None:
    words = _words(text)
    for word in words:
        found[_place(f"{name} {word}")] += weight
        if not name and len(word) > _STEM:
            found[_place(f"^{word[:_STEM]}")] += weight * _STEMS
    if not name:
        for first, second in pairwise(words):
            found[_place(f"{first} {second}")] += weight * _PAIRS


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())[:_MAX_WORDS]


def _place(feature: str) -> int:
    return crc32(feature.encode("utf-8", "surrogatepass")) & _MASK
