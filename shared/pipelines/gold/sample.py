"""Sample reports as Jobber prints them, of a firm that never was: with the layout's quirks, and with made-up people.

The people are there on purpose: names, addresses and remarks that must never come further than these files.
"""

import csv
import io
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

from shared.pipelines.gold.sample_firm import Firm, Invoice, Job, Quote, make_firm

LAST_DAY: Final = date(2026, 6, 28)
WEEKS: Final = 112

_FIRST_NAMES: Final = ("Ada", "Bram", "Chidi", "Dolores", "Esra", "Fjola", "Gideon", "Hana", "Ivo", "Jolanta")
_LAST_NAMES: Final = ("Abernathy", "Brandvold", "Castellano", "Dragomir", "Eriksdottir", "Fairweather", "Grunewald")
_STREETS: Final = ("Larch Lane", "Mill Road", "Harbour Street", "Quarry Hill")
_CREW: Final = ("Tomasz W.", "Lindiwe N.", "Pete O.")
_WORK: Final = ("Gutter cleaning", "Deck repair", "Heat pump service", "Window fitting", "Fence, 20 m")
_REMARKS: Final = ("gate code 4471", "ask for the neighbour", "dog in the yard", "call before coming")

_CLIENT: Final = ("Client name", "Client email", "Client phone")
_BILLING: Final = ("Billing street", "Billing city", "Billing province", "Billing ZIP")
_SERVICE: Final = ("Service street", "Service city", "Service province", "Service ZIP")

_QUOTES: Final = (
    "Quote #", *_CLIENT, *_SERVICE, "Title", "Status", "Line items", "Salesperson", "Sent by user", "Job #s",
    "Subtotal ($)", "Total ($)", "Discount ($)", "Required deposit ($)", "Collected deposit ($)", "Drafted date",
    "Sent date", "Changes requested date", "Approved date", "Converted date", "Archived date", "Community",
    "COMMUNITY",
)  # fmt: skip
_INVOICES: Final = (
    "Invoice #", *_CLIENT, *_BILLING, *_SERVICE, "Subject", "Status", "Line items", "Salesperson",
    "Visits assigned to", "Job #s", "Pre-tax total ($)", "Total ($)", "Tip ($)", "Balance ($)", "Tax (%)",
    "Tax amount ($)", "Deposit $", "Discount ($)", "Created date", "Issued date", "Due date", "Marked paid date",
    "Last contacted", "Late by", "Days to paid",
)  # fmt: skip
_JOBS: Final = (
    "Job #", "Client name", "Lead source", "Client email", "Client phone", *_BILLING, "Service property name",
    *_SERVICE, "Title", "Created date", "Schedule start date", "Closed date", "Salesperson", "Line items",
    "Visits assigned to", "Invoice #s", "Quote #", "Online booking", "Expenses total ($)", "Time tracked",
    "Labour cost total ($)", "Line item cost total ($)", "Total costs ($)", "Quote discount ($)",
    "Total revenue ($)", "Profit ($)", "Profit %", "Gate remark",
)  # fmt: skip


class _Style(NamedTuple):
    """How one report prints dates and money."""

    date: Callable[[date | None], str]
    money: Callable[[int], str]


def write_reports(folder: Path, *, weeks: int = WEEKS, seed: int = 42, last_day: date = LAST_DAY) -> dict[str, int]:
    """Write ``quotes.csv``, ``invoices.csv`` and ``jobs.csv`` into a folder; return how many rows each has.

    The same weeks, seed and last day give the same bytes.
    """
    firm = make_firm(weeks=weeks, seed=seed, last_day=last_day)
    folder.mkdir(parents=True, exist_ok=True)
    people = random.Random(seed)  # noqa: S311  (sample data, no secret)
    for name, content in (("quotes", _quotes), ("invoices", _invoices), ("jobs", _jobs)):
        (folder / f"{name}.csv").write_bytes(content(firm, people).encode())
    return {"quotes": len(firm.quotes), "invoices": len(firm.invoices), "jobs": len(firm.jobs)}


def _quotes(firm: Firm, people: random.Random) -> str:
    style = _Style(lambda day: f"{day:%b} {day.day}, {day.year}" if day else "-", lambda money: f"{money / 100:,.2f}")

    def row(quote: Quote) -> dict[str, str]:
        sums = {"Subtotal ($)": quote.total, "Total ($)": quote.total, "Discount ($)": 0}
        days = {
            "Drafted date": quote.drafted, "Sent date": quote.sent,
            "Changes requested date": quote.changes_requested, "Approved date": quote.approved,
            "Converted date": quote.approved, "Archived date": quote.archived,
        }  # fmt: skip
        plain = {"Quote #": str(quote.number), "Status": _quote_status(quote), "Job #s": str(quote.job or "-")}
        return plain | _printed(style, sums, days) | {"Community": "North", "COMMUNITY": "-"}

    return _report(["Quotes Report", "Date range: All time"], _QUOTES, map(row, firm.quotes), people)


def _invoices(firm: Firm, people: random.Random) -> str:
    style = _Style(lambda day: day.isoformat() if day else "", lambda money: f"${money / 100:,.2f}")

    def row(invoice: Invoice) -> dict[str, str]:
        sums = {"Total ($)": invoice.total, "Balance ($)": 0 if invoice.paid else invoice.total, "Discount ($)": -500}
        days = {
            "Created date": invoice.issued, "Issued date": invoice.issued, "Due date": invoice.due,
            "Marked paid date": invoice.paid,
        }  # fmt: skip
        plain = {
            "Invoice #": str(invoice.number), "Status": "Paid" if invoice.paid else "Past Due",
            "Job #s": str(invoice.job),
        }  # fmt: skip
        return plain | _printed(style, sums, days)

    return "\ufeff" + _report(
        ["Totals", f"Total Invoices,{len(firm.invoices)}"], _INVOICES, map(row, firm.invoices), people
    )


def _jobs(firm: Firm, people: random.Random) -> str:
    style = _Style(lambda day: f"{day:%m/%d/%Y}" if day else "-", lambda money: f"{money / 100}")

    def row(job: Job) -> dict[str, str]:
        sums = {"Total revenue ($)": job.revenue, "Profit ($)": job.profit, "Total costs ($)": job.revenue - job.profit}
        days = {"Created date": job.created, "Schedule start date": job.start, "Closed date": job.closed}
        plain = {
            "Job #": str(job.number), "Quote #": str(job.quote), "Time tracked": "2h 30m",
            "Invoice #s": ", ".join(map(str, job.invoices)) or "-",
        }  # fmt: skip
        return plain | _printed(style, sums, days)

    return _report(["Jobs Report"], _JOBS, map(row, firm.jobs), people)


def _quote_status(quote: Quote) -> str:
    if quote.approved:
        return "Converted"
    return "Archived" if quote.archived else "Awaiting response"


def _printed(style: _Style, sums: dict[str, int], days: dict[str, date | None]) -> dict[str, str]:
    return {name: style.money(money) for name, money in sums.items()} | {
        name: style.date(day) for name, day in days.items()
    }


def _report(
    titles: Sequence[str], headings: Sequence[str], rows: Iterable[dict[str, str]], people: random.Random
) -> str:
    """Print a report: titles, a blank line, the header, rows with somebody's data in them, and the totals."""
    out = io.StringIO()
    out.write("".join(f"{title}\r\n" for title in titles) + "\r\n")
    writer = csv.writer(out)
    writer.writerow(headings)
    place = 0
    for place, row in enumerate(rows, start=1):
        person = _person(people)
        cells = [row.get(heading, person.get(heading, "-")) for heading in headings]
        writer.writerow(cells)
        if place % 97 == 0:  # now and then an export has a row twice, or a blank one
            writer.writerows([cells, [""] * len(headings)])
    writer.writerow(["Report totals:", str(place), *[""] * (len(headings) - 2)])
    return out.getvalue()


def _person(people: random.Random) -> dict[str, Any]:
    first, last = people.choice(_FIRST_NAMES), people.choice(_LAST_NAMES)
    digits = people.randrange(100, 200)
    street = f"{people.randrange(1, 200)} {people.choice(_STREETS)}"
    place = {"street": street, "city": "Halifax", "province": people.choice(("NS", "N.S.")), "ZIP": "B3H 0A1"}
    return {
        "Client name": people.choice((f"{last}, {first}", f"{first} {last}")),
        "Client email": f"{first}.{last}@mail.example".lower(),
        "Client phone": people.choice((f"(902) 555-0{digits}", f"9025550{digits}")),
        "Salesperson": people.choice(_CREW),
        "Sent by user": people.choice(_CREW),
        "Visits assigned to": ", ".join(people.sample(_CREW, 2)),
        "Title": f"{people.choice(_WORK)} for {first}",
        "Subject": f"For services rendered, {last}",
        "Line items": f"{people.choice(_WORK)} (1), Travel (2)",
        "Gate remark": people.choice(_REMARKS),
        **{f"{kind} {part}": text for kind in ("Billing", "Service") for part, text in place.items()},
    }
