"""Reading files of records: every line is a record or has a reason, and its own number."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.lines import MAX_LINE_BYTES, Format, Unreadable, read_records

REQUIRED = ("query", "label")
texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40)


def _read(data: bytes, file_format: Format) -> list[tuple[int, object]]:
    records = read_records(io.BytesIO(data), file_format, REQUIRED)
    return [(r.line, r.fields.reason if isinstance(r.fields, Unreadable) else dict(r.fields)) for r in records]


def test_json_lines() -> None:
    data = b'\xef\xbb\xbf{"query": "a"}\n\n \r\n[1]\n{"query": \n"caf\xe9"\n{"query": "b"}'
    assert _read(data, "jsonl") == [
        (1, {"query": "a"}),
        (4, "not a JSON object"),
        (5, "not JSON in UTF-8"),
        (6, "not JSON in UTF-8"),
        (7, {"query": "b"}),
    ]


def test_csv_with_quotes_breaks_and_blank_lines() -> None:
    data = b'\xef\xbb\xbf Query ,LABEL,more\r\n"a, ""b""\r\nc",EASY,\r\n\r\nd,HARD,x\r\n'
    assert _read(data, "csv") == [
        (2, {"query": 'a, "b"\r\nc', "label": "EASY", "more": ""}),
        (5, {"query": "d", "label": "HARD", "more": "x"}),
    ]


def test_bad_lines_of_csv_are_told_apart_and_the_others_read() -> None:
    data = b'query,label\na,EASY,1\nb\n"c"d,EASY\ncaf\xe9,EASY\n"x\ncaf\xe9",HARD\nlast,HARD\n'
    assert _read(data, "csv") == [
        (2, "3 fields, where the header has 2"),
        (3, "1 fields, where the header has 2"),
        (4, "not CSV: a quote is not closed, or something follows it"),
        (5, "not UTF-8"),
        (6, "not UTF-8"),
        (8, {"query": "last", "label": "HARD"}),
    ]


@pytest.mark.parametrize(
    ("data", "missing"),
    [
        (b"", "query, label"),
        (b"text,label\na,b\n", "query"),
        (b"query,query,label\n", "query"),
        (b"\n\nlabel\n", "query"),
    ],
)
def test_csv_without_its_columns_is_one_fault(data: bytes, missing: str) -> None:
    assert _read(data, "csv") == [(1, f"the header must have these columns once each: {missing}")]


@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_a_line_without_end_is_refused_and_the_next_is_read(file_format: Format) -> None:
    good = b"q,EASY\n" if file_format == "csv" else b'{"query": "q"}\n'
    head = b"query,label\n" if file_format == "csv" else good
    read = _read(head + b"x" * (3 * MAX_LINE_BYTES) + b"\n" + good, file_format)
    assert read[-2] == (2, f"longer than {MAX_LINE_BYTES:,} bytes")
    assert read[-1][0] == 3


def test_a_quote_that_is_never_closed_ends_with_the_file() -> None:
    read = _read(b'query,label\n"open,EASY\n' + b"more,EASY\n" * 50_000, "csv")
    assert all(
        reason == "not CSV: a quote is not closed, or something follows it"
        for _, reason in read
        if isinstance(reason, str)
    )
    assert read[0] == (2, "not CSV: a quote is not closed, or something follows it")


@given(st.lists(st.fixed_dictionaries({"query": texts, "label": texts}), max_size=20))
def test_what_was_written_is_what_is_read(rows: list[dict[str, str]]) -> None:
    jsonl = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    assert [fields for _, fields in _read(jsonl, "jsonl")] == rows
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, REQUIRED)
    writer.writeheader()
    writer.writerows(rows)
    assert [fields for _, fields in _read(file.getvalue().encode(), "csv")] == rows


@given(st.binary(max_size=200), st.sampled_from(["csv", "jsonl"]))
def test_no_bytes_break_the_reader(data: bytes, file_format: Format) -> None:
    numbers = [number for number, _ in _read(data, file_format)]
    assert numbers == sorted(set(numbers))
