"""JSON of any shape as people read it: a short form, and every leaf with its path."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_BRIEF: Final = 140
_SMALL: Final = 80  # an object that is written whole
_TOLD: Final = 6  # leaves that the short form names
_MOST_LEAVES: Final = 200
_LONGEST_LEAF: Final = 4000
_IMAGE: Final = re.compile(r"img_[0-9a-f]{32}")
_OPAQUE: Final = re.compile(r"[0-9a-f]{64}|[a-z]{1,10}_[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A value and where it stands: ``signals / quotes / sent``."""

    path: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Readable:
    """A value for people. ``leaves`` is empty where the short form is all of it; ``image`` is an image's id, if any."""

    brief: str
    leaves: tuple[Leaf, ...] = ()
    image: str | None = None


def readable(value: Any) -> Readable:
    """Make a JSON value readable."""
    if not isinstance(value, dict | list):
        text = _text(value)
        brief = _cut(text, _BRIEF)
        return Readable(brief=brief, leaves=() if brief == text else (Leaf(path="", text=text),))
    leaves = []
    for path, leaf in _leaves(value, ()):
        leaves.append(Leaf(path=" / ".join(path), text=_cut(_text(leaf), _LONGEST_LEAF)))
        if len(leaves) == _MOST_LEAVES:
            break
    telling = [leaf for leaf in leaves if not _OPAQUE.fullmatch(leaf.text)]
    brief = ", ".join(f"{leaf.path.rpartition(' / ')[2]}: {leaf.text}" for leaf in telling[:_TOLD])
    image = next((leaf.text for leaf in leaves if _IMAGE.fullmatch(leaf.text)), None)
    whole = len(brief) <= _SMALL and len(telling) == len(leaves) <= _TOLD
    return Readable(brief=_cut(brief, _BRIEF) or "–", leaves=() if whole else tuple(leaves), image=image)  # noqa: RUF001


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for number, inner in enumerate(value, 1):
            yield from _leaves(inner, (*path, str(number)))
    else:
        yield path, value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value) or "none"
    return "none" if value is None else str(value)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
