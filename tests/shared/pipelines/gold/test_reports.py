"""Reports as Jobber prints them, and files that are none."""

import csv
import io
import json
import random
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidInputError
from shared.pipelines.gold.layouts import INVOICES, JOBS, LAYOUTS, QUOTES, Invoice, Job, Layout, Quote
from shared.pipelines.gold.reports import read_report
from tests.shared.pipelines.gold.firm import csv_file
from tests.support.shared_data import shared_data

COLUMNS = shared_data("jobber-columns")
QUOTE = "Quote #,Client name,Sent date,Approved date,Total ($)"
SECRET = "Wilhelmina Quackenbush"


def quotes(text: str) -> list[Quote]:
    return list(read_report(csv_file(text), QUOTES))


def refusal(text: str | bytes, layout: Layout[Any] = QUOTES) -> dict[str, Any]:
    with pytest.raises(InvalidInputError) as caught:
        list(read_report(io.BytesIO(text.encode() if isinstance(text, str) else text), layout))
    assert caught.value.instance_code == "report-refused"
    assert SECRET not in json.dumps(caught.value.as_dict())
    assert caught.value.advice
    return caught.value.details


def test_a_report_with_all_its_quirks() -> None:
    found = quotes(
        "\ufeffQuotes Report\r\nDate range: All time\r\nTotals\r\n\r\nTotal Quotes,2\r\n"
        "Community,COMMUNITY,quote #,Client name,SENT DATE,Sent date,Approved date,Converted date,Total\r\n"
        '1,2,#101,"Quackenbush, Wilhelmina",x,"Nov 20, 2025",2025-12-01,-,"$9,400.00"\r\n'
        ",,,,,,,,\r\n"
        '1,2,102,"two\nlines",x,11/21/2025,-,,"4,850.00"\r\n'
        '1,2,101,again,x,"Nov 22, 2025",,,1\r\n'
        "Report totals:,,,,,,,,14250\r\n"
    )
    assert found == [
        Quote("101", date(2025, 11, 20), None, date(2025, 12, 1), None, None, 940_000),
        Quote("102", date(2025, 11, 21), None, None, None, None, 485_000),
    ]


def test_headings_have_variants() -> None:
    jobs = (
        "Job #,Created date,Schedule start date,Closed date,Total revenue ($),Invoice #s\n"
        '7,2025-01-02,01/05/2025,"Jan 9, 2025",(12.00),"101, 102"\n'
    )
    job = Job("7", date(2025, 1, 2), date(2025, 1, 5), date(2025, 1, 9), -1200, None, ("101", "102"))
    assert list(read_report(csv_file(jobs), JOBS)) == [job]
    invoices = "Invoice #,Issued date,Due date,Marked paid date,Total,Balance ($)\n9,2025-01-02,2025-02-01,-,10,10.00\n"
    invoice = Invoice("9", date(2025, 1, 2), date(2025, 2, 1), None, 1000, 1000)
    assert list(read_report(csv_file(invoices), INVOICES)) == [invoice]


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_documented_headers_are_known(name: str) -> None:
    file = COLUMNS / f"header_{name}.csv"
    if not file.exists():
        pytest.skip(f"{COLUMNS} is not here")
    with file.open("rb") as header:
        assert list(read_report(header, LAYOUTS[name])) == []
    documented = {
        column["name"] for column in json.loads((COLUMNS / "columns.json").read_text())["reports"][name]["columns"]
    }
    usual = [column.headings[0] for column in LAYOUTS[name].columns]
    assert set(usual) <= documented


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("", 1, None, "no header"),
        ("a,b\n1,2\n", 1, None, "no header"),
        ("Job #,Created date,Closed date,Quote #\n", 1, None, "this is a jobs report"),
        ("Quote #,Sent date,Total ($)\n", 1, "", "the column Approved date is missing"),
        ("Quote #,Sent date,Sent date,Approved date,Total ($)\n", 1, None, "the column Sent date stands there twice"),
        (f"{QUOTE}\n1,{SECRET},soon,,5\n", 2, "Sent date", "no date"),
        (f"{QUOTE}\n1,{SECRET},2025-01-01,,{SECRET}\n", 2, "Total ($)", "no sum of money"),
        (f"{QUOTE}\n1,{SECRET},2025-01-01,20/12/2025,5\n", 2, "Approved date", "no calendar has"),
        (
            f"{QUOTE}\n1,a,2025-01-01,,5\n2,Quackenbush, Wilhelmina,2025-01-01,,5\n",
            3,
            None,
            "6 cells, where the header has 5",
        ),
        (f"{QUOTE}\n1,a\n", 2, None, "2 cells"),
        (f'{QUOTE}\n1,"{SECRET},2025-01-01,,5\n', 2, None, "a quote is not closed"),
        (f'{QUOTE}\n1,"a"b,2025-01-01,,5\n', 2, None, "no CSV"),
        (f"{QUOTE}\n1,a\x00,2025-01-01,,5\n", 2, None, "NUL"),
        (f"{QUOTE}\n1,ä,2025-01-01,,5\n".encode("latin-1"), 2, None, "not UTF-8"),
        (f"{QUOTE}\n".encode("utf-16"), 1, None, "not UTF-8"),
        (f"{QUOTE}\n1,{'x' * (1 << 20)},2025-01-01,,5\n", 2, None, "longer than"),
        (f'{QUOTE}\n1,"{"x" * 200_000}",2025-01-01,,5\n', 2, None, "no CSV"),
    ],
)
def test_a_bad_file_names_line_and_column(text: str | bytes, line: int, column: str | None, reason: str) -> None:
    details = refusal(text)
    first = details["faults"][0]
    assert (details["report"], details["count"]) == ("quotes", 1)
    assert (first["line"], first["column"] or "") == (line, column or "")
    assert reason in first["reason"]


def test_every_fault_is_counted_and_a_hundred_are_named() -> None:
    details = refusal(QUOTE + "\n" + f"1,{SECRET},soon,later,much\n" * 200)
    assert details["count"] == 600
    assert len(details["faults"]) == 100
    assert [fault["column"] for fault in details["faults"][:3]] == ["Sent date", "Approved date", "Total ($)"]


def test_a_line_break_in_a_cell_does_not_shift_the_numbers() -> None:
    assert refusal(f'{QUOTE}\n1,"a\nb\nc",2025-01-01,,5\n2,a,soon,,5\n')["faults"][0]["line"] == 5


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)


@settings(max_examples=60)
@given(noise=st.lists(_TEXT, min_size=4, max_size=4), seed=st.integers(0, 1000))
def test_text_columns_never_come_through(noise: list[str], seed: int) -> None:
    """Whatever stands in the columns that are not on the list, the records are the same, byte for byte."""
    rng = random.Random(seed)  # noqa: S311
    headings = ["Quote #", "Client name", "Client email", "Sent date", "Approved date", "Total ($)", "Title", "My own"]
    rng.shuffle(headings)
    values = {"Quote #": "101", "Sent date": "2025-11-20", "Approved date": "-", "Total ($)": "$5.00"}

    def file(texts: list[str]) -> io.BytesIO:
        out = io.StringIO()
        rest = iter(texts)
        writer = csv.writer(out)
        writer.writerow(headings)
        writer.writerow([values[heading] if heading in values else next(rest) for heading in headings])
        return io.BytesIO(out.getvalue().encode())

    one = [Quote("101", date(2025, 11, 20), None, None, None, None, 500)]
    expected = one
    if headings[0] not in values and noise[0].strip().casefold().startswith("total"):
        expected = []  # a row that begins like the totals is taken for them
    assert list(read_report(file(noise), QUOTES)) == expected
    assert list(read_report(file([SECRET] * 4), QUOTES)) == [
        Quote("101", date(2025, 11, 20), None, None, None, None, 500)
    ]


_PIECES = st.sampled_from(
    [QUOTE.encode(), b"\n", b"\r", b",", b'"', b"\xef\xbb\xbf", b"1", b"2025-01-01", b"-", b"\x00", b"$5"]
)


@settings(max_examples=150)
@given(st.lists(_PIECES | st.binary(max_size=8), max_size=40), st.booleans())
def test_any_bytes_are_read_or_refused(pieces: list[bytes], header: bool) -> None:
    start = [QUOTE.encode(), b"\n"] if header else []
    with suppress(InvalidInputError):
        assert all(isinstance(each, Quote) for each in read_report(io.BytesIO(b"".join([*start, *pieces])), QUOTES))
