"""Texts as the local engines count and cut them. A token is a word, a number, or one sign: no vocabulary is needed.

Byte-pair tokens are a little shorter than these for English; for a provider's prices there is ``shared/llm/tokens.py``.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from shared.contracts import JsonObject
from shared.llm.engines import FinishReason

_TOKEN: Final = re.compile(r"\s*(?:\w+|[^\w\s])", re.ASCII)
_PIECE_TOKENS: Final = 8


def count_tokens(text: str) -> int:
    """Return the number of tokens of a text."""
    return sum(1 for _ in _TOKEN.finditer(text))


def tokens_of(text: str) -> list[str]:
    """Return the tokens of a text, each with the space before it; what they leave out is space at the end."""
    return _TOKEN.findall(text)


def text_of(message: JsonObject) -> str:
    """Return the text of a message: its content, or the text parts of it."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(p["text"] for p in content if isinstance(p, dict) and isinstance(p.get("text"), str))
    return ""


def cut(text: str, max_tokens: int | None, stop: Sequence[str]) -> tuple[str, FinishReason]:
    """End a text before the first of the stop sequences, and after so many tokens."""
    for sequence in stop:
        if sequence:
            text = text.partition(sequence)[0]
    if max_tokens is None:
        return text, "stop"
    ends = [match.end() for match in islice(_TOKEN.finditer(text), max_tokens + 1)]
    if len(ends) <= max_tokens:
        return text, "stop"
    return text[: ends[max_tokens - 1]] if max_tokens else "", "length"


def pieces(text: str) -> Iterator[str]:
    """Split a text into pieces of some tokens, as it is streamed; together they are the text."""
    start = 0
    for number, match in enumerate(_TOKEN.finditer(text), 1):
        if number % _PIECE_TOKENS == 0:
            yield text[start : match.end()]
            start = match.end()
    if start < len(text):
        yield text[start:]
