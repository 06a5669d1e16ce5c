"""Refused answers with personal data: what is kept of one is which rules it broke, and never its words.

In the place of the text stands a note of ours. It is all that anybody sees of such an answer from then on (the cache,
the question for a rewrite, whoever scores first answers), so that an attempt made again sees the same.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

from shared.contracts import Contract
from shared.ids import canonical_json
from shared.llm.structured import Fault
from shared.llm.wording import fold, looks_personal

PERSONAL: Final = "personal-data"


class _Note(Contract):
    """``withheld`` are the rules, each with its message; ``words`` is a hash: whether two such answers say the same."""

    withheld: tuple[tuple[str, str], ...]
    words: str


def noted(text: str, faults: Sequence[Fault]) -> str | None:
    """Return what shall stand in the place of a refused answer; None: its text may stay."""
    if PERSONAL not in {fault.rule for fault in faults} and not looks_personal(text):
        return None
    words = hashlib.sha256(fold(text).encode(errors="replace")).hexdigest()
    note = _Note(withheld=tuple((fault.rule, fault.message) for fault in faults), words=words)
    return canonical_json(note.model_dump()).decode()


def faults_noted(text: str) -> tuple[Fault, ...]:
    """Return what was wrong with an answer that is kept as a note; empty: the text is none."""
    if not text.startswith('{"withheld":'):
        return ()
    try:
        note = _Note.model_validate_json(text)
    except ValidationError:
        return ()
    return tuple(Fault(rule=rule, message=message) for rule, message in note.withheld)
