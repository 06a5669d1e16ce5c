"""Counts what first answers of one model are like: the figures of an eval that need no approved answer."""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from shared.contracts import JsonObject
from shared.errors import InvalidInputError
from shared.ids import canonical_json
from shared.llm.structured import MisfitError, strict_json
from shared.llm.tuned import First
from shared.llm.wording import fold
from shared.pipelines.stages.contracts import StageInput, evidence_of
from shared.pipelines.stages.guard import UNGROUNDED, WORDS

_P50: Final = 0.5
_P95: Final = 0.95


class Tally:
    """Figures over answers, added one by one. What is kept of an answer is its hash."""

    def __init__(self) -> None:
        self._rows = self._valid = self._forbidden = 0
        self._entries = self._grounded = 0
        self._same: Counter[bytes] = Counter()
        self._broken: Counter[str] = Counter()
        self._seconds: list[float] = []
        self._costs: list[float] = []

    def add(self, value: StageInput, first: First) -> None:
        """Add one answer to an input."""
        rules = {fault.rule for fault in first.faults}
        self._rows += 1
        self._valid += not rules - WORDS - {UNGROUNDED}
        self._forbidden += bool(rules & WORDS)
        self._broken.update(rules)
        said = object_of(first.text)
        known = frozenset(evidence_of(value))
        entries = evidence_in(said)
        self._entries += len(entries)
        self._grounded += sum(entry in known for entry in entries)
        self._same[_words_of(said, first.text)] += 1
        if first.seconds is not None:
            self._seconds.append(first.seconds)
        if first.cost_usd is not None:
            self._costs.append(first.cost_usd)

    def figures(self) -> JsonObject:
        """Return the figures. Shares of nothing are None; an answer without evidence grounds itself in nothing."""
        return {
            "rows": self._rows,
            "schema_validity": _share(self._valid, self._rows),
            "grounding": _share(self._grounded, self._entries) if self._entries or not self._rows else 0.0,
            "forbidden_share": _share(self._forbidden, self._rows),
            "homogeneity": _share(max(self._same.values(), default=0), self._rows),
            "p50_seconds": quantile(self._seconds, _P50),
            "p95_seconds": quantile(self._seconds, _P95),
            "cost_usd": math.fsum(self._costs) / len(self._costs) if self._costs else None,
            "broken": dict(sorted(self._broken.items())),
        }


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest value that at least this share of all do not exceed; None: there are none."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else None


def object_of(text: str) -> JsonObject:
    """Return the JSON object that an answer is; empty where it is none."""
    try:
        value = strict_json(text)
    except (MisfitError, InvalidInputError):
        return {}
    return value if isinstance(value, dict) else {}


def evidence_in(value: Any) -> list[str]:
    """Return all that an answer cites, whatever rules it breaks."""
    if isinstance(value, list):
        return [entry for part in value for entry in evidence_in(part)]
    if not isinstance(value, dict):
        return []
    cited = value.get("evidence")
    here = [entry if isinstance(entry, str) else "" for entry in cited] if isinstance(cited, list) else []
    return here + [entry for name, part in value.items() if name != "evidence" for entry in evidence_in(part)]


def _words_of(said: JsonObject, text: str) -> bytes:
    """Return what stands for an answer's words, without its evidence: equal ones say the same of any input."""
    return hashlib.sha256(fold(canonical_json(_bare(said)).decode() if said else text).encode()).digest()


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _bare(part) for name, part in value.items() if name != "evidence"}
    return [_bare(part) for part in value] if isinstance(value, list) else value


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
