"""A firm that never was: quotes, jobs and invoices over some years, in phases in which different things go wrong.

Everything comes from the seed and the last day, so the same call gives the same firm.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, NamedTuple

FIRST_NUMBER: Final = 1001


@dataclass(frozen=True, kw_only=True)
class Phase:
    """How business goes for some weeks."""

    quotes_a_week: float = 11.0
    approved: float = 0.65
    answer_days: tuple[int, int] = (1, 10)
    answered: float = 0.96
    start_days: tuple[int, int] = (3, 12)
    work_days: tuple[int, int] = (0, 4)
    late: float = 0.08
    margin: tuple[float, float] = (0.32, 0.48)
    billing_days: tuple[int, int] = (0, 3)
    pay_days: tuple[int, int] = (5, 24)
    unpaid: float = 0.004


USUAL: Final = Phase()
TROUBLES: Final = (
    replace(USUAL, pay_days=(45, 80), unpaid=0.02),  # invoices get overdue
    replace(USUAL, billing_days=(25, 60)),  # closed jobs wait for their invoice
    replace(USUAL, late=0.6, work_days=(12, 35), quotes_a_week=13),  # more jobs than the crews can begin
    replace(USUAL, margin=(-0.05, 0.14)),  # nothing is left of the revenue
    replace(USUAL, answered=0.35, quotes_a_week=14),  # quotes wait
    replace(USUAL, approved=0.18),  # most quotes are refused
    replace(USUAL, pay_days=(34, 46)),  # payment is slow, though not late by much
    replace(USUAL, start_days=(40, 80), quotes_a_week=12),  # nobody has a date
    replace(USUAL, quotes_a_week=4.0),  # a quiet time
)


class Quote(NamedTuple):
    """A quote of the firm; dates that have not come yet are None."""

    number: int
    drafted: date
    sent: date
    changes_requested: date | None
    approved: date | None
    archived: date | None
    total: int
    job: int | None


class Job(NamedTuple):
    """A job of the firm; money in cents."""

    number: int
    quote: int
    created: date
    start: date | None
    closed: date | None
    revenue: int
    profit: int
    invoices: tuple[int, ...]


class Invoice(NamedTuple):
    """An invoice of the firm; money in cents."""

    number: int
    job: int
    issued: date
    due: date
    paid: date | None
    total: int


class Firm(NamedTuple):
    """All that happened."""

    quotes: list[Quote]
    jobs: list[Job]
    invoices: list[Invoice]


def make_firm(*, weeks: int, seed: int, last_day: date) -> Firm:
    """Let a firm do business for so many weeks, up to the last day."""
    rng = random.Random(seed)  # noqa: S311  (sample data, no secret)
    firm = Firm([], [], [])
    first = last_day - timedelta(days=7 * weeks - 1)
    for week, phase in zip(range(weeks), _phases(rng), strict=False):
        for _ in range(max(0, round(rng.gauss(phase.quotes_a_week, 1.6)))):
            drafted = first + timedelta(days=7 * week + rng.randint(0, 6))
            _sell(firm, phase, rng, drafted, last_day)
    return firm


def _phases(rng: random.Random) -> Iterator[Phase]:
    """Yield the phase of each week: troubles in turn, none before all have been, with usual weeks between."""
    while True:
        for trouble in rng.sample(TROUBLES, len(TROUBLES)):
            yield from [USUAL] * rng.randint(2, 4)
            yield from [trouble] * rng.randint(5, 8)


def _sell(firm: Firm, phase: Phase, rng: random.Random, drafted: date, last_day: date) -> None:
    """Send a quote, and let it become a job if it is approved."""

    def known(day: date) -> date | None:
        return day if day <= last_day else None

    sent = known(drafted + timedelta(days=rng.randint(0, 2)))
    if sent is None:
        return
    total = round(10 ** rng.uniform(2.4, 4.1)) * 100 + rng.choice((0, 0, 50, 75))
    answer = sent + timedelta(days=rng.randint(*phase.answer_days))
    yes, answers = rng.random() < phase.approved, rng.random() < phase.answered
    approved = known(answer) if answers and yes else None
    changes = known(sent + timedelta(days=1)) if rng.random() < 0.12 else None  # noqa: PLR2004
    given_up = answer if answers else sent + timedelta(days=rng.randint(35, 60))
    archived = known(given_up) if not (answers and yes) else None
    job = FIRST_NUMBER + len(firm.jobs) if approved else None
    number = FIRST_NUMBER + len(firm.quotes)
    firm.quotes.append(Quote(number, drafted, sent, changes, approved, archived, total, job))
    if job and approved:
        _work(firm, phase, rng, (job, number, approved, total), last_day)


def _work(firm: Firm, phase: Phase, rng: random.Random, sold: tuple[int, int, date, int], last_day: date) -> None:
    """Do the job, bill it in one or two invoices, and wait for the money."""
    job, quote, approved, total = sold
    start = approved + timedelta(days=rng.randint(*phase.start_days))
    is_planned = start - timedelta(days=rng.randint(4, 9)) <= last_day
    delay = rng.randint(10, 40) if rng.random() < phase.late else 0
    closed = start + timedelta(days=rng.randint(*phase.work_days) + delay)
    profit = round(total * rng.uniform(*phase.margin))
    invoices: list[Invoice] = []
    issued = closed + timedelta(days=rng.randint(*phase.billing_days))
    if issued <= last_day:
        invoices = _bill(firm, phase, rng, (job, issued, total), last_day)
    firm.invoices.extend(invoices)
    firm.jobs.append(
        Job(
            job, quote, approved, start if is_planned else None, closed if closed <= last_day else None, total, profit,
            tuple(invoice.number for invoice in invoices),
        )
    )  # fmt: skip


def _bill(firm: Firm, phase: Phase, rng: random.Random, done: tuple[int, date, int], last_day: date) -> list[Invoice]:
    job, issued, total = done
    parts = [total] if rng.random() < 0.85 else [total // 3, total - total // 3]  # noqa: PLR2004
    made = []
    for place, part in enumerate(parts):
        due = issued + timedelta(days=rng.choice((7, 14, 14, 30)))
        paid = issued + timedelta(days=rng.randint(*phase.pay_days))
        is_paid = paid <= last_day and rng.random() >= phase.unpaid
        number = FIRST_NUMBER + len(firm.invoices) + place
        made.append(Invoice(number, job, issued, due, paid if is_paid else None, part))
    return made
