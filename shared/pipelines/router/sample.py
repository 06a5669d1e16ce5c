"""Sample data of the router's own: plausible labelled queries, with noise, and drift in the last 30 days.

Everything comes from the seed and the time given, so the same call gives the same rows.
"""

import csv
import json
import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from string import Formatter
from typing import Final, NamedTuple

from shared.pipelines.router.contracts import LABELS, Label
from shared.pipelines.router.phrases import CLOSINGS, FILLERS, OPENINGS, PEOPLE, RECENT, USUAL

_HISTORY: Final = timedelta(days=180)
_DRIFT: Final = timedelta(days=30)
_SHARES: Final = (0.4, 0.35, 0.25)  # of the labels, from EASY to HARD
_RECENT_SHARE: Final = 0.25  # of all rows are from the days of drift
_DRIFTED_SHARE: Final = 0.6  # of those are asked in the new way
_TRIES: Final = 20
_WRONG_LABEL: Final = 0.05  # people err, by one step
_TYPO: Final = 0.08
_DECORATED: Final = 0.15
_LOWER_CASE: Final = 0.1


class SampleRow(NamedTuple):
    """One labelled query; ``labelled_at`` has a time zone."""

    query: str
    label: Label
    labelled_at: datetime
    labelled_by: str


def make(*, rows: int, seed: int, now: datetime) -> Iterator[SampleRow]:
    """Yield labelled queries in the order of their times, which end at ``now`` (timezone-aware)."""
    rng = random.Random(seed)  # noqa: S311  (sample data, no secret)
    recent = round(rows * _RECENT_SHARE)
    older = sorted((rng.uniform(_DRIFT / _HISTORY, 1) for _ in range(rows - recent)), reverse=True)
    newer = sorted((rng.uniform(0, _DRIFT / _HISTORY) for _ in range(recent)), reverse=True)
    seen: set[str] = set()
    for age in (*older, *newer):
        at = (now - _HISTORY * age).replace(microsecond=0)
        (label,) = rng.choices(LABELS, _SHARES)
        drifted = now - at < _DRIFT and rng.random() < _DRIFTED_SHARE
        query = _new_query(rng, (RECENT if drifted else USUAL)[label], seen)
        said = _neighbour(rng, label) if rng.random() < _WRONG_LABEL else label
        yield SampleRow(query, said, at, rng.choice(PEOPLE))


def write_csv(path: Path, *, rows: int, seed: int, now: datetime) -> None:
    """Write sample rows as CSV with a header, as ``router.import`` reads it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(SampleRow._fields)
        writer.writerows(_as_texts(row).values() for row in make(rows=rows, seed=seed, now=now))


def write_jsonl(path: Path, *, rows: int, seed: int, now: datetime) -> None:
    """Write sample rows as one JSON object a line, as ``router.import`` reads it."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in make(rows=rows, seed=seed, now=now):
            file.write(json.dumps(_as_texts(row), ensure_ascii=False) + "\n")


def _as_texts(row: SampleRow) -> dict[str, str]:
    return {**row._asdict(), "labelled_at": row.labelled_at.isoformat()}


def _new_query(rng: random.Random, phrases: Sequence[str], seen: set[str]) -> str:
    """Return a query that was not there yet, or give up and repeat one, as people do too."""
    query = ""
    for _ in range(_TRIES):
        phrase = rng.choice(phrases)
        query = _disturb(rng, phrase.format_map({gap: _fill(rng, gap) for gap in _gaps(phrase)}))
        if query not in seen:
            break
    seen.add(query)
    return query


def _gaps(phrase: str) -> list[str]:
    # a list, not a set: the order decides which random number fills which gap
    return [gap for _, gap, _, _ in Formatter().parse(phrase) if gap]


def _fill(rng: random.Random, gap: str) -> str:
    match gap:
        case "n" | "m":
            return str(rng.randint(3, 97))
        case "small" | "small2":
            return str(rng.randint(2, 9))
        case "round":
            return f"{rng.randint(1, 90) * 10 ** rng.randint(2, 4):,}"
        case "hour":
            return str(rng.randint(1, 12))
        case _:
            return rng.choice(FILLERS.get(gap) or FILLERS[gap.rstrip("2")])


def _disturb(rng: random.Random, query: str) -> str:
    """Write as people write: greetings, lower case, letters that changed places."""
    if rng.random() < _DECORATED:
        query = rng.choice(OPENINGS) + query if rng.random() < 0.5 else query + rng.choice(CLOSINGS)  # noqa: PLR2004
    if rng.random() < _LOWER_CASE:
        query = query.lower()
    if rng.random() < _TYPO:
        at = rng.randrange(len(query) - 1)
        query = query[:at] + query[at + 1] + query[at] + query[at + 2 :]
    return query


def _neighbour(rng: random.Random, label: Label) -> Label:
    place = LABELS.index(label)
    return LABELS[rng.choice([near for near in (place - 1, place + 1) if 0 <= near < len(LABELS)])]
