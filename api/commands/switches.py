"""Takes ``--dry_run=true`` as ``--dry-run``, and ``--dry_run=false`` as its opposite: scripts write flags so, too."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

_WITH_WORD: Final = re.compile(r"(?P<flag>--[A-Za-z][A-Za-z0-9_-]*)=(?P<word>true|false)", re.IGNORECASE)
_END_OF_OPTIONS: Final = "--"


def plain(find: Callable[[Sequence[str]], Any], args: Sequence[str], hyphenated: Callable[[str], str]) -> list[str]:
    """Return the arguments with every flag as it is declared.

    ``find`` returns the command that the arguments name, or None; it is asked only if some flag has a word.
    """
    end = list(args).index(_END_OF_OPTIONS) if _END_OF_OPTIONS in args else len(args)
    found = {place: match for place, arg in enumerate(args[:end]) if (match := _WITH_WORD.fullmatch(arg))}
    command = find(args) if found else None
    if command is None:
        return list(args)
    said: list[str] = []
    for place, arg in enumerate(args):
        match = found.get(place)
        said += _flag(command, arg, match, hyphenated) if match else [arg]
    return said


def _flag(command: Any, arg: str, match: re.Match[str], hyphenated: Callable[[str], str]) -> list[str]:
    """Return a flag without its word. What is no flag keeps its value; a flag without opposite is left out."""
    name, wanted = hyphenated(match["flag"]), match["word"].lower() == "true"
    for option in command.params:
        if not getattr(option, "is_flag", False):
            continue
        for names, others in ((option.opts, option.secondary_opts), (option.secondary_opts, option.opts)):
            if name in names:
                return [name] if wanted else others[:1]
    return [arg]
