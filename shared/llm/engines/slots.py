"""Answers with slots: ``<path>=<value>`` in a training answer is filled anew from the question that is asked.

Where a training answer says ``signals.quotes.count=42``, and the JSON of its question has 42 at that path, the 42 was
copied; so for another question it is copied from there. Nothing about a pipeline is known here. A path that the new
question does not have is left as the training answer had it: an honest error, which a guard can see.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from pydantic import Field

from shared.contracts import Contract

_PATH: Final = re.compile(r"[A-Za-z_]\w*(?:\.\w+|\[\d+\])*(?==)", re.ASCII)
_PART: Final = re.compile(r"[^.\[\]]+")
_GOES_ON: Final = re.compile(r"\w|[.,]\d", re.ASCII)
_LONGEST: Final = 4_096  # characters of a value that is copied

_ABSENT: Final = object()


class Slot(Contract):
    """A copied value: from where, how it is written, and what the training answer had."""

    path: str = Field(max_length=_LONGEST)
    quoted: bool
    """Whether a text is written as JSON, in quotes."""
    escaped: bool
    """Whether it stands inside a JSON text, so that quotes have a backslash."""
    was: str


Template = tuple[str | Slot, ...]


def template_of(answer: str, question: Any) -> Template:
    """Find the slots of a training answer. ``question`` is its question's JSON, or None where it is no JSON."""
    if question is None:
        return (answer,)
    parts: list[str | Slot] = []
    done = 0
    escaped = answer.lstrip().startswith(("{", "[", '"'))
    for match in _PATH.finditer(answer):
        start = match.end() + 1
        if start <= done:
            continue
        slot = _slot_at(answer, start, match[0], question, escaped=escaped)
        if slot is not None:
            parts += [answer[done:start], slot]
            done = start + len(slot.was)
    parts.append(answer[done:])
    return tuple(part for part in parts if part != "")


def fill(template: Template, question: Any) -> str:
    """Write a template's answer to another question (its JSON, or None)."""
    if len(template) == 1 and isinstance(template[0], str):
        return template[0]
    return "".join(part if isinstance(part, str) else _filled(part, question) for part in template)


def _filled(slot: Slot, question: Any) -> str:
    value = _resolve(question, slot.path)
    return slot.was if value is _ABSENT else _written(value, quoted=slot.quoted, escaped=slot.escaped)


def _slot_at(answer: str, start: int, path: str, question: Any, *, escaped: bool) -> Slot | None:
    value = _resolve(question, path)
    if value is _ABSENT:
        return None
    for quoted in (True, False) if isinstance(value, str) else (True,):
        was = _written(value, quoted=quoted, escaped=escaped)
        if was and answer.startswith(was, start) and not _GOES_ON.match(answer, start + len(was)):
            return Slot(path=path, quoted=quoted, escaped=escaped, was=was)
    return None


def _written(value: Any, *, quoted: bool, escaped: bool) -> str:
    text = json.dumps(value, ensure_ascii=False) if quoted or not isinstance(value, str) else value
    return json.dumps(text, ensure_ascii=False)[1:-1] if escaped else text


def _resolve(question: Any, path: str) -> Any:
    """Return the plain value at a path, or ``_ABSENT``."""
    value = question
    for part in _PART.findall(path):
        value = _member(value, part)
    plain = value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) < _LONGEST)
    return value if plain else _ABSENT


def _member(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        return value.get(part, _ABSENT)
    if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
        return value[int(part)]
    return _ABSENT


def shape_of(template: Template) -> tuple[object, ...]:
    """Return what makes a template: answers that differ only in what they copied have the same shape."""
    return tuple(part if isinstance(part, str) else (part.path, part.quoted, part.escaped) for part in template)


def slots_of(templates: Sequence[Template]) -> int:
    """Count the slots of some templates."""
    return sum(isinstance(part, Slot) for template in templates for part in template)
