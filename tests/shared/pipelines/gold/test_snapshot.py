"""From records to snapshots: what is counted, when, and under which id."""

import random
from collections import defaultdict
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from shared.errors import InvalidInputError
from shared.pipelines.gold.contracts import (
    ANSWER_SCHEMA,
    GoldAnswer,
    Snapshot,
    evidence_of,
    example_id,
    parse_snapshot,
)
from shared.pipelines.gold.layouts import LAYOUTS, Invoice, Job, Quote
from shared.pipelines.gold.patterns import draft
from shared.pipelines.gold.policy import SnapshotPolicy
from shared.pipelines.gold.reports import read_report
from shared.pipelines.gold.snapshot import Reports, group_of, snapshots

RULES = SnapshotPolicy(block_days=28, window_days=(28,), step_days=7, lookback_days=180, min_events=1)
MONDAY = date(2025, 1, 20)  # the first day of a block


def days(number: int) -> date:
    return MONDAY + timedelta(days=number)


def quote(number: int, sent: int, *, approved: int | None = None, archived: int | None = None, total: int = 0) -> Quote:
    return Quote(
        str(number), days(sent), None, None if approved is None else days(approved), None,
        None if archived is None else days(archived), total * 100,
    )  # fmt: skip


def only(**reports: Any) -> dict[str, Any]:
    """Return the signals of the one block from day 0 to day 27."""
    (found,) = [s for s in snapshots(Reports(**reports), RULES) if s.window.first == MONDAY]
    signals: dict[str, Any] = found.as_json()["signals"]
    return signals


def test_the_blocks_do_not_depend_on_the_reports() -> None:
    assert MONDAY.weekday() == 0
    assert (MONDAY - date(1970, 1, 5)).days % 28 == 0, "pick another Monday for these tests"


def test_quotes_as_they_stood_at_the_windows_end() -> None:
    found = only(
        quotes=[
            quote(1, 0, approved=3, total=900),
            quote(2, 1, archived=9, total=100),
            quote(3, 5, total=3000),  # waits for 22 days
            quote(4, 20, approved=40, total=4000),  # answered after the window, so it waits still
            quote(5, 27, total=1),
            quote(6, 30, total=99_999),  # not yet sent
        ]
    )
    assert found == {
        "quotes": {
            "sent": {"count": 5, "value_band": "5k-20k"},
            "approved": {"count": 1, "value_band": "under-1k"},
            "waiting": {"count": 3, "value_band": "5k-20k", "over_14_days": 1},
            "won_band": "50-75",
        }
    }


def test_what_has_been_open_for_too_long_is_not_open() -> None:
    waiting = only(quotes=[quote(1, -153), quote(2, -152), quote(3, 0), quote(4, 27)])["quotes"]["waiting"]
    assert waiting["count"] == 3


def test_invoices_as_they_stood() -> None:
    def invoice(number: int, issued: int, due: int, paid: int | None, worth: tuple[int, int]) -> Invoice:
        total, balance = worth
        return Invoice(
            str(number), days(issued), days(due), None if paid is None else days(paid), total * 100, balance * 100
        )

    found = only(
        invoices=[
            invoice(1, 0, 14, 10, (500, 0)),
            invoice(2, 0, 14, 20, (500, 0)),
            invoice(3, -80, -50, None, (2000, 1500)),  # 77 days late, a part is paid
            invoice(4, -10, 26, 60, (700, 0)),  # late by a day then, paid since
            invoice(5, 0, 27, None, (700, 700)),  # due on the last day: not late
            invoice(6, 5, 40, None, (1, 1)),
            Invoice("7", None, days(3), None, 100, 100),  # a draft
            invoice(8, 27, 60, None, (1, 1)),
        ]
    )
    assert found == {
        "invoices": {
            "issued": {"count": 5, "value_band": "1k-5k"},
            "paid": {"count": 2, "value_band": "1k-5k", "days_to_paid_band": "15-30"},
            "overdue": {"count": 2, "balance_band": "1k-5k", "over_30_days": 1, "over_60_days": 1},
        }
    }


def test_jobs_as_they_stood() -> None:
    def job(number: int, created: int, start: int | None, closed: int | None, *invoices: str) -> Job:
        return Job(
            str(number), days(created), None if start is None else days(start),
            None if closed is None else days(closed), 100_000, 10_000, invoices,
        )  # fmt: skip

    jobs = [
        job(1, 0, 2, 5, "1"),
        job(2, 1, 3, 6, "2"),  # its invoice came after the window
        job(3, 1, 3, 30),  # began, not closed: late
        job(4, 2, None, None),
        job(5, 2, 40, None),
        job(6, 27, 27, 27, "3", "1"),
    ]
    issued = [Invoice("1", days(9), None, None, 0, 0), Invoice("2", days(29), None, None, 0, 0)]
    found = only(jobs=jobs, invoices=issued)["jobs"]
    assert found == {
        "created": {"count": 6},
        "closed": {"count": 3, "revenue_band": "1k-5k", "margin_band": "under-15"},
        "unscheduled": {"count": 1},
        "late": {"count": 1},
        "not_invoiced": {"count": 1, "value_band": "1k-5k"},
    }
    assert "not_invoiced" not in only(jobs=jobs[:2] + jobs[5:])["jobs"], "without invoices a number is enough"


def read(folder: Path) -> Reports:
    records: dict[str, Any] = {}
    for name, layout in LAYOUTS.items():
        with (folder / f"{name}.csv").open("rb") as file:
            records[name] = list(read_report(file, layout))
    return Reports(**records)


def test_the_sample_gives_snapshots_enough(reports: Path) -> None:
    found = list(snapshots(read(reports)))
    assert len(found) >= 150
    assert len({example_id(each) for each in found}) == len(found)
    assert len({group_of(each) for each in found}) >= 20
    assert len({draft(each).decision for each in found}) >= 5


def test_order_and_later_rows_do_not_change_old_snapshots(reports: Path) -> None:
    records = read(reports)
    ids = [example_id(each) for each in snapshots(records)]
    rng = random.Random(1)  # noqa: S311
    mixed = Reports(**{name: rng.sample(list(rows), len(rows)) for name, rows in vars(records).items()})
    assert [example_id(each) for each in snapshots(mixed)] == ids
    new = Quote("99999", date(2026, 7, 20), None, None, None, None, 100)
    grown = Reports(quotes=[*(records.quotes or ()), new], invoices=records.invoices, jobs=records.jobs)
    later = [example_id(each) for each in snapshots(grown)]
    assert set(ids) < set(later)


def test_no_two_groups_have_windows_that_overlap(reports: Path) -> None:
    spans: dict[str, list[date]] = defaultdict(list)
    for each in snapshots(read(reports)):
        spans[group_of(each)] += [each.window.first, each.window.last]
    ends = sorted((min(dates), max(dates)) for dates in spans.values())
    assert all(before[1] < after[0] for before, after in pairwise(ends))


def test_a_snapshot_survives_its_json(reports: Path) -> None:
    for each in list(snapshots(read(reports)))[::10]:
        assert parse_snapshot(each.as_json()) == each
        assert all(entry.startswith("signals.") for entry in evidence_of(each))
        assert set(draft(each).evidence) <= set(evidence_of(each))


GOOD: dict[str, Any] = {
    "window": {"from": "2025-01-06", "to": "2025-02-02"},
    "signals": {"quotes": {"sent": {"count": 3, "value_band": "1k-5k"}}},
}


@pytest.mark.parametrize(
    "change",
    [
        {"window": {"from": "2025-02-06", "to": "2025-02-02"}},
        {"window": {"from": 5, "to": "2025-02-02"}},
        {"window": {"from": "2025-01-06T00:00:00", "to": "2025-02-02"}},
        {"signals": {}},
        {"signals": {"quotes": {"sent": {"count": "3", "value_band": "1k-5k"}}}},
        {"signals": {"quotes": {"sent": {"count": True, "value_band": "1k-5k"}}}},
        {"signals": {"quotes": {"sent": {"count": 3.5, "value_band": "1k-5k"}}}},
        {"signals": {"quotes": {"sent": {"count": 3, "value_band": "Wilhelmina"}}}},
        {"signals": {"quotes": {"Wilhelmina": {"count": 3}}}},
        {"client": "Wilhelmina"},
    ],
)
def test_what_is_no_snapshot_is_refused_unquoted(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="this is no snapshot") as caught:
        parse_snapshot(GOOD | change)
    assert "Wilhelmina" not in str(caught.value.as_dict())
    raws: tuple[Any, ...] = (None, [], "Wilhelmina")
    for raw in raws:
        with pytest.raises(InvalidInputError):
            parse_snapshot(raw)


def test_text_has_no_place_in_a_snapshot() -> None:
    """Every leaf of the contract is a whole number, a day or a word of a closed list: nothing free can be in it."""
    schema = Snapshot.model_json_schema()
    leaves = [
        field
        for model in [schema, *schema["$defs"].values()]
        for field in model["properties"].values()
        if "$ref" not in field and not any("$ref" in each for each in field.get("anyOf", ()))
    ]
    assert leaves
    for leaf in leaves:
        options = [each for each in leaf.get("anyOf", [leaf]) if each.get("type") != "null"]
        assert all(each.get("type") == "integer" or "enum" in each or each.get("format") == "date" for each in options)


def test_the_schema_is_that_of_the_contract() -> None:
    assert list(ANSWER_SCHEMA["properties"]) == list(GoldAnswer.model_fields)
    assert ANSWER_SCHEMA["required"] == list(GoldAnswer.model_fields)
