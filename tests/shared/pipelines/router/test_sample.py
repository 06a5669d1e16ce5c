"""Sample data: the same from the same seed, good enough to import, and drifting."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.lines import Format, Unreadable, read_records
from shared.pipelines.router import sample
from shared.pipelines.router.contracts import LABELS
from shared.pipelines.router.labelled import parse_labelled
from shared.pipelines.router.phrases import FILLERS
from tests.shared.pipelines.router.support import NOW


def test_the_same_seed_gives_the_same_rows() -> None:
    once, again = (list(sample.make(rows=500, seed=3, now=NOW)) for _ in range(2))
    assert once == again
    assert once != list(sample.make(rows=500, seed=4, now=NOW))


def test_a_few_thousand_rows_are_distinct_and_cover_every_label() -> None:
    rows = list(sample.make(rows=3000, seed=42, now=NOW))
    assert len({r.query for r in rows}) == 3000
    shares = Counter(r.label for r in rows)
    assert min(shares[label] for label in LABELS) > 500
    assert not any("{" in r.query for r in rows)


def test_a_quarter_is_of_the_last_thirty_days_and_speaks_of_other_things() -> None:
    rows = list(sample.make(rows=2000, seed=42, now=NOW))
    recent = [r for r in rows if NOW - r.labelled_at < timedelta(days=30)]
    assert 450 < len(recent) < 550
    assert [r.labelled_at for r in rows] == sorted(r.labelled_at for r in rows)
    new_words = FILLERS["topic"]

    def share(of: list[sample.SampleRow]) -> float:
        return sum(any(word in r.query for word in new_words) for r in of) / len(of)

    assert share(recent) > 0.2
    assert share([r for r in rows if r not in recent]) == 0


@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_a_written_file_can_be_imported(tmp_path: Path, file_format: Format) -> None:
    path = tmp_path / f"sample.{file_format}"
    now = datetime.now(UTC)
    (sample.write_csv if file_format == "csv" else sample.write_jsonl)(path, rows=200, seed=1, now=now)
    expected = list(sample.make(rows=200, seed=1, now=now))
    with path.open("rb") as file:
        records = list(read_records(file, file_format, ("query", "label")))
    read = [parse_labelled(r.fields) for r in records if not isinstance(r.fields, Unreadable)]
    assert [(r.input, r.label, r.at, r.by) for r in read] == [tuple(r) for r in expected]


def test_no_rows_and_one_row_are_made_too() -> None:
    assert list(sample.make(rows=0, seed=1, now=NOW)) == []
    assert len(list(sample.make(rows=1, seed=1, now=NOW))) == 1
