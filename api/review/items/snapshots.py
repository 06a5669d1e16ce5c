"""Gold's snapshots in words for people: signals by report, each of which may be chosen as evidence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from api.review.words import figure, label
from shared.contracts import JsonObject
from shared.pipelines.gold.contracts import EVIDENCE_ROOT, MAX_EVIDENCE, MAX_TEXT_CHARS, parse_snapshot
from shared.pipelines.gold.policy import policy


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One value of a snapshot: the figure, and the words before and behind it. ``entry`` is it as evidence."""

    entry: str
    before: str
    figure: str
    behind: str
    suggested: bool


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a report says of one thing, as of quotes that wait: how many, and what else."""

    name: str
    count: Signal | None
    others: tuple[Signal, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """One report's part of a snapshot."""

    name: str
    parts: tuple[Part, ...]


_COUNT: Final = "count"
_PARTS: Final[Mapping[str, str]] = {
    "changes_requested": "Changes asked",
    "won_band": "Won",
    "overdue": "Past due",
    "unscheduled": "Without a date",
}
"""Parts whose field's name says too little."""
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    _COUNT: ("", ""),
    "value_band": ("worth", ""),
    "balance_band": ("balance", ""),
    "revenue_band": ("revenue", ""),
    "margin_band": ("margin", "%"),
    "won_band": ("", "% of those answered"),
    "days_to_paid_band": ("paid in", "days"),
    "over_14_days": ("", "over 14 days"),
    "over_30_days": ("", "over 30 days"),
    "over_60_days": ("", "over 60 days"),
}
"""What stands before and behind a value, by the last name of its path."""


def snapshot_of(content: JsonObject) -> Mapping[str, Any]:
    """Return an item's snapshot by report, its days in words, and what a form about it must know.

    Reports and signals come in the order of the contract: JSON in the database has another.
    """
    suggested = frozenset(content["suggested_evidence"])
    signals = parse_snapshot({name: content[name] for name in ("window", EVIDENCE_ROOT)}).as_json()[EVIDENCE_ROOT]
    reports = [
        Report(
            name=label(report),
            parts=tuple(_part(f"{EVIDENCE_ROOT}.{report}", name, value, suggested) for name, value in parts.items()),
        )
        for report, parts in signals.items()
    ]
    return {
        "window": window_of(content["window"]),
        "reports": reports,
        "most_evidence": MAX_EVIDENCE,
        "most_characters": MAX_TEXT_CHARS,
        "confidence": policy().default_confidence,
    }


def window_of(window: JsonObject) -> str:
    """Write a snapshot's days: ``19 January to 15 February 2026, 28 days``."""
    first, last = date.fromisoformat(window["from"]), date.fromisoformat(window["to"])
    year = f" {first.year}" if first.year != last.year else ""
    days = (last - first).days + 1
    return f"{first.day} {first:%B}{year} to {last.day} {last:%B} {last.year}, {days} day{'s' if days > 1 else ''}"


def _part(path: str, name: str, value: Any, suggested: frozenset[str]) -> Part:
    signals = dict(_signals(f"{path}.{name}", value, suggested))
    return Part(name=_PARTS.get(name, label(name)), count=signals.pop(_COUNT, None), others=tuple(signals.values()))


def _signals(path: str, value: Any, suggested: frozenset[str]) -> Iterator[tuple[str, Signal]]:
    """Yield each value below a path by the last name of its own."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _signals(f"{path}.{name}", inner, suggested)
        return
    name = path.rpartition(".")[2]
    entry = f"{path}={value}"
    before, behind = _WORDS.get(name, (label(name), ""))
    if value == "loss":
        before, behind = "at a", ""
    told = figure(value) if isinstance(value, int) else band(str(value))
    yield name, Signal(entry=entry, before=before, figure=told, behind=behind, suggested=entry in suggested)


def band(value: str) -> str:
    """Write a band for people: ``20k-50k`` with a dash, ``under-25`` with a space."""
    side, _, end = value.partition("-")
    return f"{side} {end}" if side in {"under", "over"} else value.replace("-", "–")  # noqa: RUF001  (from, to)
