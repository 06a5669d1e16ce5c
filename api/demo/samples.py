"""The demo's sample data: labels from before, labels of the last days, and queries to ask."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.pipelines.router import sample
from shared.pipelines.router.sample import SampleRow

_ROWS = 4000
_ASKED = 400
_SEED = 42
_LAST_DAYS = timedelta(days=25)  # most of the drift: the first model knows little of how people ask by now


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Labelled queries in three lots; those of ``asked`` are new ones, and their labels are what people will say."""

    older: list[SampleRow]
    newer: list[SampleRow]
    asked: list[SampleRow]


def make_samples() -> Samples:
    """Make the same queries and labels each time; only their times move with the present."""
    now = datetime.now(UTC)
    rows = list(sample.make(rows=_ROWS, seed=_SEED, now=now))
    return Samples(
        older=[row for row in rows if now - row.labelled_at > _LAST_DAYS],
        newer=[row for row in rows if now - row.labelled_at <= _LAST_DAYS],
        asked=list(sample.make(rows=_ASKED, seed=_SEED + 1, now=now))[::-1],
    )
