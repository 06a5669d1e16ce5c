"""From the records of reports to snapshots: counts and bands over windows of days, each window in one block of days.

Everything is told by dates, as it stood at the window's end, and never by a status, which is as it stands today: so a
later export of the same reports gives old windows the same snapshots and ids again. What people change afterwards
without a date of its own (a job put on the calendar, a part of an invoice paid) does change a snapshot.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from statistics import median
from typing import Any, Final, TypeVar

from shared.ids import content_id
from shared.pipelines.gold import contracts
from shared.pipelines.gold.contracts import NAME, Signals, Snapshot, Window
from shared.pipelines.gold.layouts import Invoice, Job, Quote
from shared.pipelines.gold.policy import SnapshotPolicy, policy

B = TypeVar("B")

_ANCHOR: Final = date(1970, 1, 5)  # a Monday: blocks begin on Mondays, whatever the reports hold
_MONEY_EDGES: Final = (1, 1_000_00, 5_000_00, 20_000_00, 50_000_00, 100_000_00, 250_000_00)  # cents
_MONEY_BANDS: Final[tuple[contracts.MoneyBand, ...]] = (
    "0", "under-1k", "1k-5k", "5k-20k", "20k-50k", "50k-100k", "100k-250k", "over-250k",
)  # fmt: skip
_SHARE_EDGES: Final = (25, 50, 75)
_SHARE_BANDS: Final[tuple[contracts.ShareBand, ...]] = ("under-25", "25-50", "50-75", "over-75")
_MARGIN_EDGES: Final = (0, 15, 30, 50)
_MARGIN_BANDS: Final[tuple[contracts.MarginBand, ...]] = ("loss", "under-15", "15-30", "30-50", "over-50")
_DELAY_EDGES: Final = (7, 15, 31, 61)
_DELAY_BANDS: Final[tuple[contracts.DelayBand, ...]] = ("under-7", "7-14", "15-30", "31-60", "over-60")
_A_FORTNIGHT, _A_MONTH, _TWO_MONTHS = 14, 30, 60  # days that the names of signals speak of


@dataclass(frozen=True, kw_only=True)
class Reports:
    """The records of the reports that were given; None: it was not."""

    quotes: Sequence[Quote] | None = None
    invoices: Sequence[Invoice] | None = None
    jobs: Sequence[Job] | None = None


class _Dated:
    """Records by a date of theirs, to be asked for spans of days."""

    def __init__(self, records: Iterable[Any], when: Callable[[Any], date | None]) -> None:
        dated = [(day, record) for record in records if (day := when(record))]
        dated.sort(key=lambda pair: pair[0])
        self.days = [day for day, _ in dated]
        self._records = [record for _, record in dated]

    def within(self, first: date, last: date) -> list[Any]:
        """Return the records from the first to the last day, both included."""
        return self._records[bisect_left(self.days, first) : bisect_right(self.days, last)]

    def count(self, first: date, last: date) -> int:
        return bisect_right(self.days, last) - bisect_left(self.days, first)


def snapshots(reports: Reports, rules: SnapshotPolicy | None = None) -> Iterator[Snapshot]:
    """Yield a snapshot for each window that the reports cover and that says enough, in the order of the windows."""
    rules = rules or policy().snapshots
    parts = [part(reports, rules) for part in (_Quotes, _Invoices, _Jobs) if getattr(reports, part.name) is not None]
    days = sorted({day for part in parts for dated in part.events for day in dated.days})
    if not days:
        return
    for block in sorted({block_of(day, rules) for day in days}):
        for window in _windows(block, rules):
            if window.first < days[0] or window.last > days[-1]:
                continue
            events = sum(dated.count(window.first, window.last) for part in parts for dated in part.events)
            if events >= rules.min_events:
                signals = {part.name: part.signals(window) for part in parts}
                yield Snapshot.model_validate({"window": window, "signals": Signals.model_validate(signals)})


def _windows(block: date, rules: SnapshotPolicy) -> list[Window]:
    spans = [
        (block + timedelta(days=start), block + timedelta(days=start + length - 1))
        for length in rules.window_days
        for start in range(0, rules.block_days - length + 1, rules.step_days)
    ]
    return [Window.model_validate({"from": first, "to": last}) for first, last in sorted(spans)]


def block_of(day: date, rules: SnapshotPolicy | None = None) -> date:
    """Return the first day of the block that a day is in."""
    length = (rules or policy().snapshots).block_days
    return day - timedelta(days=(day - _ANCHOR).days % length)


def group_of(snapshot: Snapshot) -> str:
    """Return the key that windows of one block share: no split parts windows that overlap."""
    return content_id("g", NAME, block_of(snapshot.window.last).isoformat())


# --- the three parts ------------------------------------------------------------------------------------------------


class _Part:
    """The signals of one report. ``events`` are what happened in a window; the rest is as it stood at its end."""

    name = ""

    def __init__(self, rules: SnapshotPolicy) -> None:
        self._lookback = timedelta(days=rules.lookback_days)
        self.events: tuple[_Dated, ...] = ()
        self.standing = lru_cache(maxsize=8)(self._standing)  # windows that end on one day share it

    def signals(self, window: Window) -> dict[str, Any]:
        return {**self._happened(window.first, window.last), **self.standing(window.last)}

    def _happened(self, first: date, last: date) -> dict[str, Any]:
        raise NotImplementedError

    def _standing(self, end: date) -> dict[str, Any]:
        raise NotImplementedError

    def _open(self, dated: _Dated, end: date, *, before: int = 0) -> list[Any]:
        """Return the records of the days looked back on; ``before``: without the last so many of them."""
        return dated.within(end - self._lookback + timedelta(days=1), end - timedelta(days=before))


class _Quotes(_Part):
    name = "quotes"

    def __init__(self, reports: Reports, rules: SnapshotPolicy) -> None:
        super().__init__(rules)
        quotes = reports.quotes or ()
        self._sent = _Dated(quotes, lambda quote: quote.sent)
        self._approved = _Dated(quotes, _approved)
        self._changes = _Dated(quotes, lambda quote: quote.changes_requested)
        self._lost = _Dated(quotes, lambda quote: None if _approved(quote) else quote.archived)
        self.events = (self._sent, self._approved, self._changes)

    def _happened(self, first: date, last: date) -> dict[str, Any]:
        sent, approved = self._sent.within(first, last), self._approved.within(first, last)
        answered = len(approved) + self._lost.count(first, last)
        return {
            "sent": _valued(sent, lambda quote: quote.total),
            "approved": _valued(approved, lambda quote: quote.total),
            "changes_requested": _counted(self._changes.count(first, last)),
            "won_band": _band(100 * len(approved) / answered, _SHARE_EDGES, _SHARE_BANDS) if answered else None,
        }

    def _standing(self, end: date) -> dict[str, Any]:
        waiting = [quote for quote in self._open(self._sent, end) if _after(_answered(quote), end)]
        found = _valued(waiting, lambda quote: quote.total)
        if found:
            found["over_14_days"] = sum((end - quote.sent).days > _A_FORTNIGHT for quote in waiting)
        return {"waiting": found}


class _Invoices(_Part):
    name = "invoices"

    def __init__(self, reports: Reports, rules: SnapshotPolicy) -> None:
        super().__init__(rules)
        issued = [invoice for invoice in reports.invoices or () if invoice.issued]
        self._issued = _Dated(issued, lambda invoice: invoice.issued)
        self._paid = _Dated(issued, lambda invoice: invoice.paid)
        self._due = _Dated(issued, lambda invoice: invoice.due)
        self.events = (self._issued, self._paid)

    def _happened(self, first: date, last: date) -> dict[str, Any]:
        paid = self._paid.within(first, last)
        found = _valued(paid, lambda invoice: invoice.total)
        if found:
            days = median((invoice.paid - invoice.issued).days for invoice in paid)
            found["days_to_paid_band"] = _band(days, _DELAY_EDGES, _DELAY_BANDS)
        return {"issued": _valued(self._issued.within(first, last), lambda invoice: invoice.total), "paid": found}

    def _standing(self, end: date) -> dict[str, Any]:
        overdue = [invoice for invoice in self._open(self._due, end, before=1) if _after(invoice.paid, end)]
        if not overdue:
            return {"overdue": None}
        late = [(end - invoice.due).days for invoice in overdue]
        return {
            "overdue": {
                "count": len(overdue),
                "balance_band": _money(overdue, _owed),
                "over_30_days": sum(days > _A_MONTH for days in late),
                "over_60_days": sum(days > _TWO_MONTHS for days in late),
            }
        }


class _Jobs(_Part):
    name = "jobs"

    def __init__(self, reports: Reports, rules: SnapshotPolicy) -> None:
        super().__init__(rules)
        jobs = reports.jobs or ()
        self._created = _Dated(jobs, lambda job: job.created)
        self._start = _Dated(jobs, lambda job: job.start)
        self._closed = _Dated(jobs, lambda job: job.closed)
        self.events = (self._created, self._closed)
        invoices = reports.invoices
        self._issued = {i.number: i.issued for i in invoices if i.issued} if invoices is not None else None

    def _happened(self, first: date, last: date) -> dict[str, Any]:
        closed = self._closed.within(first, last)
        found: dict[str, Any] | None = None
        if closed:
            revenue = sum(job.revenue or 0 for job in closed)
            found = {"count": len(closed), "revenue_band": _money(closed, lambda job: job.revenue)}
            if revenue > 0 and any(job.profit is not None for job in closed):
                margin = 100 * sum(job.profit or 0 for job in closed) / revenue
                found["margin_band"] = _band(margin, _MARGIN_EDGES, _MARGIN_BANDS)
        return {"created": _counted(self._created.count(first, last)), "closed": found}

    def _standing(self, end: date) -> dict[str, Any]:
        unscheduled = [job for job in self._open(self._created, end) if job.start is None and _after(job.closed, end)]
        late = [job for job in self._open(self._start, end, before=1) if _after(job.closed, end)]
        unbilled = [job for job in self._open(self._closed, end) if not self._is_invoiced(job, end)]
        return {
            "unscheduled": _counted(len(unscheduled)),
            "late": _counted(len(late)),
            "not_invoiced": _valued(unbilled, lambda job: job.revenue),
        }

    def _is_invoiced(self, job: Job, end: date) -> bool:
        if self._issued is None:  # without the invoices report a number is all there is to go by
            return bool(job.invoices)
        issued = self._issued
        return any((day := issued.get(number)) and day <= end for number in job.invoices)


# --- small things ---------------------------------------------------------------------------------------------------


def _approved(quote: Quote) -> date | None:
    return quote.approved or quote.converted


def _answered(quote: Quote) -> date | None:
    return min((day for day in (quote.approved, quote.converted, quote.archived) if day), default=None)


def _owed(invoice: Invoice) -> int | None:
    # a balance is today's: nothing is left of it on an invoice that was paid later
    return invoice.balance if invoice.paid is None and invoice.balance is not None else invoice.total


def _after(day: date | None, end: date) -> bool:
    return day is None or day > end


def _counted(count: int) -> dict[str, Any] | None:
    return {"count": count} if count else None


def _valued(records: Sequence[Any], worth: Callable[[Any], int | None]) -> dict[str, Any] | None:
    return {"count": len(records), "value_band": _money(records, worth)} if records else None


def _money(records: Iterable[Any], worth: Callable[[Any], int | None]) -> contracts.MoneyBand:
    return _band(sum(worth(record) or 0 for record in records), _MONEY_EDGES, _MONEY_BANDS)


def _band(value: float, edges: Sequence[float], bands: Sequence[B]) -> B:
    return bands[bisect_right(edges, value)]
