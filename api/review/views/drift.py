"""Drift: what answers and labels look like over time, drawn for any pipeline from what all of them have in common."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from typing import Final, Literal

from markupsafe import Markup
from psycopg import Connection

from api.review import charts, words
from api.review.charts import Mark, Series, distributions
from api.review.charts.figures import HEIGHT
from api.review.views.facets import Facet, facets
from shared.contracts import Path
from shared.db import drift, promotions
from shared.db.drift import Answered, Said, Slice
from shared.db.promotions import Promotion

By = Literal["hour", "day", "week"]

STEPS: Final[Mapping[By, timedelta]] = {
    "hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1),
}  # fmt: skip
WINDOWS: Final = {1: "24 hours", 7: "7 days", 30: "30 days", 90: "90 days", 365: "a year"}
USUAL: Final[Mapping[int, By]] = {1: "hour", 7: "day", 30: "day", 90: "week", 365: "week"}

_MOST_PERIODS: Final = 100
_SLICES: Final = 240  # of the whole window: each is one look into the index
SAMPLE: Final = 6000  # answers of a window at most
_LABELS: Final = 5000
_PROMOTIONS: Final = 50
_WORDS: Final = 5  # different ones with a colour of their own
_REST: Final = "other"
_MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch of time up to now in equal periods (UTC)."""

    days: int
    by: By
    starts: Sequence[datetime]

    @property
    def step(self) -> timedelta:
        """How long a period is."""
        return STEPS[self.by]

    def period(self, at: datetime) -> int:
        """Return the number of the period that a moment lies in."""
        return min(max(int((at - self.starts[0]) / self.step), 0), len(self.starts) - 1)


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What was found in a window. ``cut``: these answers are a sample; ``labels`` is None if they took too long."""

    window: Window
    answers: Sequence[Answered]
    cut: bool
    labels: Sequence[Said] | None
    labels_cut: bool
    promotions: Sequence[Promotion]

    @property
    def marks(self) -> list[Mark]:
        """The promotions as marks of a chart."""
        return [Mark(each.at, f"{each.kind} by {each.actor}, {each.at:%Y-%m-%d %H:%M} UTC") for each in self.promotions]


def window(days: int, by: By | None, now: datetime) -> Window:
    """Return the window nearest to so many days, up to the period of now; too many periods become longer ones."""
    days = min(WINDOWS, key=lambda offered: abs(offered - days))
    by = by or USUAL[days]
    if timedelta(days=days) / STEPS[by] > _MOST_PERIODS:
        by = USUAL[days]
    step = STEPS[by]
    last = _MONDAY + ((now - _MONDAY) // step) * step
    count = max(round(timedelta(days=days) / step), 1)
    return Window(days=days, by=by, starts=[last - step * back for back in reversed(range(count))])


def look(
    conn: Connection, pipeline: str, surface: str, over: Window, *, source: str | None = None, sample: int = SAMPLE
) -> Drift:
    """Read a window of a surface: ``sample`` answers at most; ``source``: also labels, from this view of examples."""
    answers, cut = _answers(conn, pipeline, surface, over, sample)
    said = drift.labels(conn, source, surface, over.starts[0], _LABELS) if source else []
    promoted = promotions.list_promotions(conn, pipeline=pipeline, surface=surface, limit=_PROMOTIONS)
    return Drift(
        window=over,
        answers=answers,
        cut=cut,
        labels=said,
        labels_cut=said is not None and len(said) == _LABELS,
        promotions=[each for each in promoted if each.at >= over.starts[0]],
    )


def _answers(conn: Connection, pipeline: str, surface: str, over: Window, sample: int) -> tuple[list[Answered], bool]:
    """Return a sample that is spread over the window, and whether there are more answers than those.

    Every stretch of time gets its part. What quiet stretches leave is shared out among the busy ones.
    """
    slices = _slices(over)
    most = max(sample // len(slices), 1)
    found = drift.answers(conn, pipeline, surface, slices, most)
    counts = Counter(each.slice for each in found)
    busy = [slices[number] for number, count in counts.items() if count == most]
    if not busy:
        return found, False
    quiet = [each for each in found if counts[each.slice] < most]
    more = max((sample - len(quiet)) // len(busy), most)
    rest = drift.answers(conn, pipeline, surface, busy, more)
    return [*quiet, *rest], more in Counter(each.slice for each in rest).values()


def _slices(over: Window) -> list[Slice]:
    each = max(_SLICES // len(over.starts), 1)
    size = over.step / each
    return [
        Slice(period=number, start=start + size * part, end=start + size * (part + 1))
        for number, start in enumerate(over.starts)
        for part in range(each)
    ]


# --- charts ---------------------------------------------------------------------------------------------------------


def coverage(found: Drift, *, height: float = HEIGHT) -> Markup:
    """Draw the share of answers by path."""
    counts = _by_period(found, [(each.at, each.path) for each in found.answers])
    present = [path.value for path in Path if any(counts[path.value])]
    return charts.stacked(
        "Answers by path", found.window.starts, found.window.step, {name: counts[name] for name in present},
        marks=found.marks, height=height,
    )  # fmt: skip


def confidence(found: Drift, *, height: float = HEIGHT) -> Markup:
    """Draw the median confidence of models' answers, with what eight of ten lie between."""
    return _spread(
        "Confidence of models", _numbers(found, [(each.at, each.confidence) for each in _models(found)]), found,
        percent=True, height=height,
    )  # fmt: skip


def answered(found: Drift, *, most: int, height: float = HEIGHT) -> list[tuple[Markup, str]]:
    """Draw what was answered, field by field, each with a sentence about how far it moved."""
    said = [(each.at, each.fields) for each in found.answers if each.fields]
    return _fields(found, said, "Answered: {}", most, height)


def labelled(found: Drift, *, most: int) -> list[tuple[Markup, str]]:
    """Draw what people said, field by field."""
    said = [(each.at, each.label) for each in found.labels or ()]
    return _fields(found, said, "People said: {}", most, HEIGHT)


def around(found: Drift) -> tuple[Promotion, Markup] | None:
    """Draw the confidence before and after the latest promotion in the window, if there are answers on both sides."""
    if not found.promotions:
        return None
    latest = max(found.promotions, key=lambda each: each.at)
    before = [each.confidence for each in _models(found) if each.at < latest.at]
    after = [each.confidence for each in _models(found) if each.at >= latest.at]
    if not before or not after:
        return None
    sides = {"before": before, "after": after}
    return latest, distributions.of_numbers("Confidence before and after", sides, percent=True)


def _models(found: Drift) -> list[Answered]:
    return [each for each in found.answers if each.path != Path.FALLBACK]


def _fields(
    found: Drift, said: Sequence[tuple[datetime, object]], title: str, most: int, height: float
) -> list[tuple[Markup, str]]:
    tallied = facets((str(found.window.period(at)), value) for at, value in said)
    plain = [facet for facet in tallied if facet.words or "." not in facet.name] or tallied
    in_words_first = sorted(plain, key=lambda facet: (not facet.words, facet.name.count(".")))[:most]
    return [
        (_chart(found, facet, title.format(facet.title.lower()), height), _moved(found, facet))
        for facet in in_words_first
    ]


def _chart(found: Drift, facet: Facet, title: str, height: float) -> Markup:
    periods = [str(number) for number in range(len(found.window.starts))]
    if facet.numbers:
        return _spread(title, [facet.numbers.get(period, ()) for period in periods], found, height=height)
    names = facet.values()
    named, rest = (names, []) if len(names) <= _WORDS + 1 else (names[:_WORDS], names[_WORDS:])
    counts = [facet.words.get(period, Counter[str]()) for period in periods]
    series: dict[str, list[float | None]] = {name: [float(each[name]) for each in counts] for name in sorted(named)}
    if rest:
        series[_REST] = [float(sum(each[name] for name in rest)) for each in counts]
    return charts.stacked(title, found.window.starts, found.window.step, series, marks=found.marks, height=height)


def _moved(found: Drift, facet: Facet) -> str:
    """Say how much the shares of words differ between the two halves of the window: half the sum of all changes."""
    halves = [Counter[str](), Counter[str]()]
    for period, counted in facet.words.items():
        halves[int(period) >= len(found.window.starts) / 2].update(counted)
    if not all(halves):
        return ""
    first, second = (distributions.shares(half, facet.values()) for half in halves)
    moved = sum(abs((a or 0) - (b or 0)) for a, b in zip(first, second, strict=True)) / 2
    return f"From the first half of this window to the second, {words.percent(moved, 0)} of the shares moved."


def _spread(
    title: str, periods: Sequence[Sequence[float]], found: Drift, *, percent: bool = False, height: float = HEIGHT
) -> Markup:
    points: list[tuple[datetime, float | None]] = []
    band: list[tuple[datetime, float, float]] = []
    for start, values in zip(found.window.starts, periods, strict=True):
        middle = start + found.window.step / 2
        if not values:
            points.append((middle, None))
            continue
        tenths = quantiles(values, n=10, method="inclusive") if len(values) > 1 else [values[0]] * 9
        points.append((middle, tenths[4]))
        band.append((middle, tenths[0], tenths[8]))
    ends = (found.window.starts[0], found.window.starts[-1] + found.window.step)
    low, high = (0.0, 1.0) if percent else (None, None)
    return charts.line(
        title, [Series(name="median", points=points, band=band)], percent=percent, low=low, high=high, ends=ends,
        marks=found.marks, height=height,
    )  # fmt: skip


def _numbers(found: Drift, values: Sequence[tuple[datetime, float]]) -> list[list[float]]:
    periods: list[list[float]] = [[] for _ in found.window.starts]
    for at, value in values:
        periods[found.window.period(at)].append(value)
    return periods


def _by_period(found: Drift, names: Sequence[tuple[datetime, str]]) -> Mapping[str, list[float | None]]:
    counts: dict[str, list[float | None]] = defaultdict(lambda: [0.0] * len(found.window.starts))
    for at, name in names:
        row = counts[name]
        place = found.window.period(at)
        row[place] = (row[place] or 0.0) + 1
    return counts
