"""Which columns of a Jobber report are read: an allow-list. Whatever else a row has is dropped before it is looked at.

Headings are matched without regard to letter case and spacing; an account's own columns may stand among them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Generic, NamedTuple, TypeVar

from shared.pipelines.gold import cells

R = TypeVar("R")


class Quote(NamedTuple):
    """What is read of a quote; money in cents."""

    number: str | None
    sent: date | None
    changes_requested: date | None
    approved: date | None
    converted: date | None
    archived: date | None
    total: int | None


class Invoice(NamedTuple):
    """What is read of an invoice; money in cents."""

    number: str | None
    issued: date | None
    due: date | None
    paid: date | None
    total: int | None
    balance: int | None


class Job(NamedTuple):
    """What is read of a job; money in cents. ``invoices`` are the numbers of its invoices."""

    number: str | None
    created: date | None
    start: date | None
    closed: date | None
    revenue: int | None
    profit: int | None
    invoices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column that is read: its headings, the usual one first, and how a cell becomes a value."""

    headings: tuple[str, ...]
    parse: Callable[[str], Any]
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class Layout(Generic[R]):
    """One report: its columns in the order of the record's fields. ``told_by`` are headings that only it has."""

    name: str
    record: Callable[..., R]
    columns: tuple[Column, ...]
    told_by: tuple[str, ...]
    is_event: Callable[[R], bool]
    """Whether a row says when something happened: other rows (totals without a word, remarks) are no records."""


def _date(*headings: str, required: bool = True) -> Column:
    return Column(headings=headings, parse=cells.day, required=required)


def _money(*headings: str, required: bool = True) -> Column:
    return Column(headings=headings, parse=cells.cents, required=required)


QUOTES: Final = Layout(
    name="quotes",
    record=Quote,
    columns=(
        Column(headings=("Quote #",), parse=cells.number),
        _date("Sent date"),
        _date("Changes requested date", required=False),
        _date("Approved date"),
        _date("Converted date", required=False),
        _date("Archived date", required=False),
        _money("Total ($)", "Total"),
    ),
    told_by=("Quote #", "Sent date"),
    is_event=lambda row: bool(row.sent or row.approved or row.converted or row.archived or row.number),
)

INVOICES: Final = Layout(
    name="invoices",
    record=Invoice,
    columns=(
        Column(headings=("Invoice #",), parse=cells.number),
        _date("Issued date"),
        _date("Due date"),
        _date("Marked paid date"),
        _money("Total ($)", "Total"),
        _money("Balance ($)", "Balance"),
    ),
    told_by=("Invoice #", "Due date"),
    is_event=lambda row: bool(row.issued or row.due or row.paid or row.number),
)

JOBS: Final = Layout(
    name="jobs",
    record=Job,
    columns=(
        Column(headings=("Job #",), parse=cells.number),
        _date("Created date"),
        _date("Scheduled start date", "Schedule start date"),
        _date("Closed date"),
        _money("Total revenue ($)", "Total revenue"),
        _money("Profit ($)", "Profit", required=False),
        Column(headings=("Invoice #s",), parse=cells.numbers, required=False),
    ),
    told_by=("Job #", "Closed date"),
    is_event=lambda row: bool(row.created or row.closed or row.start or row.number),
)

LAYOUTS: Final[Mapping[str, Layout[Any]]] = {layout.name: layout for layout in (QUOTES, INVOICES, JOBS)}


def plain_heading(text: str) -> str:
    """Return a heading as it is compared: small letters, single spaces."""
    return " ".join(text.casefold().split())


def told_apart(headings: Sequence[str]) -> str | None:
    """Return the name of the report that has these (plain) headings, or None."""
    for layout in LAYOUTS.values():
        if all(plain_heading(heading) in headings for heading in layout.told_by):
            return layout.name
    return None
