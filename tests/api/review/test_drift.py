"""What drift looks at: a sample that is spread over the window, whatever lies in it, and never a text."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import Connection

from api.review.views import drift
from api.review.views.facets import facets
from shared.db import predictions
from shared.db.drift import _bound
from shared.db.pool import Database
from shared.db.predictions import Prediction

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


def put(conn: Connection, times: list[datetime], output: dict[str, Any], surface: str = "default") -> None:
    made = [
        Prediction(
            id=_bound(at)[:-20] + f"{number:018x}{len(surface):02x}", pipeline="p", surface=surface, model_id=None,
            path="model", confidence=0.5, output=output, created_at=at,
        )
        for number, at in enumerate(times)
    ]  # fmt: skip
    predictions.insert(conn, made)


@pytest.mark.parametrize(
    ("days", "by", "periods", "step"),
    [
        (30, None, 30, 1),
        (7, None, 7, 1),
        (90, None, 13, 7),
        (365, "hour", 52, 7),
        (30, "hour", 30, 1),
        (29, None, 30, 1),
    ],
)
def test_a_window_ends_now_and_has_few_periods(days: int, by: drift.By | None, periods: int, step: int) -> None:
    over = drift.window(days, by, NOW)
    assert len(over.starts) == periods
    assert over.step == timedelta(days=step)
    assert over.starts[-1] <= NOW < over.starts[-1] + over.step
    assert over.step < timedelta(days=7) or over.starts[0].weekday() == 0


def test_few_answers_are_all_read(database: Database) -> None:
    over = drift.window(30, "day", NOW)
    times = [NOW - timedelta(minutes=n) for n in range(300)]  # all in few stretches of time
    with database.transaction() as conn:
        put(conn, times, {"answer": "yes"})
        put(conn, times, {"answer": "no"}, surface="other")
        found = drift.look(conn, "p", "default", over)
    assert len(found.answers) == 300
    assert not found.cut
    assert {each.fields["answer"] for each in found.answers} == {"yes"}


def test_many_answers_are_sampled_over_the_whole_window(database: Database) -> None:
    over = drift.window(30, "day", NOW)
    first = over.starts[0]
    busy = [first + timedelta(days=20, seconds=n) for n in range(9000)]
    times = [first + timedelta(hours=n) for n in range(30 * 24 - 12)] + busy
    with database.transaction() as conn:
        put(conn, times, {"answer": "yes"})
        found = drift.look(conn, "p", "default", over)
    periods = Counter(over.period(each.at) for each in found.answers)
    assert found.cut
    assert len(found.answers) <= drift.SAMPLE + 24
    assert len(periods) == 30
    assert periods[0] == 24  # what is quiet is whole
    assert periods[20] > 4000  # what is busy has what the others leave


def test_only_short_fields_leave_the_database(database: Database) -> None:
    output = {
        "word": "yes", "sure": True, "score": 0.25, "text": "a long text of somebody " * 3, "list": ["a"], "none": None,
        "inner": {"kind": "k", "deeper": {"x": 1}},
    }  # fmt: skip
    with database.transaction() as conn:
        put(conn, [NOW - timedelta(hours=1)], output)
        found = drift.look(conn, "p", "default", drift.window(1, None, NOW))
    assert found.answers[0].fields == {"word": "yes", "sure": True, "score": 0.25, "inner.kind": "k"}


def test_labels_of_any_shape_are_read_and_a_slow_view_is_given_up(database: Database) -> None:
    over = drift.window(7, None, datetime.now(UTC))
    with database.transaction() as conn:
        conn.execute(
            "CREATE VIEW shapes AS SELECT 's'::text AS surface, now() AS at, label FROM"
            ' (VALUES (\'"word"\'::jsonb), (\'{"stars": 4, "in": {"side": true}}\'), (\'3\')) AS t (label)'
        )
        conn.execute("CREATE VIEW slow AS SELECT 's'::text AS surface, now() AS at, pg_sleep(60)::text AS label")
        found = drift.look(conn, "p", "s", over, source="shapes")
        assert found.labels is not None
        assert [each.label for each in found.labels] == ["word", {"stars": 4, "in.side": True}, 3]
        conn.execute("SET LOCAL statement_timeout = '30s'")
        given_up = drift.look(conn, "p", "s", over, source="slow")
        assert given_up.labels is None
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_facets_find_words_and_numbers_and_leave_texts_out() -> None:
    values = [
        ("a", {"word": "x", "score": 0.1 * n, "same": 1, "text": f"text {n} " * 9, "flag": n > 2}) for n in range(9)
    ]
    found = {facet.name: facet for facet in facets(values)}
    assert set(found) == {"score", "flag"}
    assert found["flag"].words["a"] == Counter({"yes": 6, "no": 3})
    assert len(found["score"].numbers["a"]) == 9
    assert [facet.name for facet in facets([("a", "EASY"), ("b", "HARD")])] == ["label"]
    assert not facets([])
