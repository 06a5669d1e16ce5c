"""Freezing, from real rows through the training role to a dataset in the store."""

import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg import Connection

from shared import jobs
from shared.datasets import Dataset, open_dataset
from shared.db import attempts, datasets, examples
from shared.db.examples import Which
from shared.db.pool import Database
from shared.errors import CorruptError, InvalidInputError, JobCancelled, NotFoundError, RefusedError
from shared.loop.freeze import FreezeParams, FreezeResult, freeze, freeze_examples
from shared.pipeline import SplitPolicy
from shared.registry import get_step
from shared.splits import split_of
from tests.support import probe
from workers.attempt import Attempt

MIB = 1024 * 1024
PIPELINE = replace(probe.PIPELINE, min_samples=50, split=SplitPolicy(test_share=0.2, seed=42))
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

Example = tuple[str, str, str, datetime]  # id, group, query, time

texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30)
times = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  (naive by contract)


@pytest.fixture
def run(probe_pipeline: None, database: Database) -> Iterator[Attempt]:
    with database.transaction() as conn:
        step = get_step("probe.noop")
        (submission,) = jobs.submit(conn, [jobs.new_job(step, step.params(), actor="tester")])
        job = attempts.claim(conn, submission.job_id, worker="w", lease=timedelta(minutes=5))
    assert job is not None
    with Attempt(database, job) as attempt:
        yield attempt


def _examples(count: int) -> list[Example]:
    return [(f"ex_{n}", f"group {n // 3}", f"query {n}", LONG_AGO + timedelta(hours=n)) for n in range(count)]


def _store(conn: Connection, rows: Sequence[Example]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO ml_data (id, group_key, query, labelled_at, label, source, labelled_by) "
            "VALUES (%s, %s, %s, %s, 'EASY', 'import', 'Ada Lovelace')",
            rows,
        )


def _freeze(database: Database, run: Attempt, **params: Any) -> FreezeResult:
    done = freeze(PIPELINE, run, FreezeParams(**params))
    assert done.record is not None
    with database.transaction() as conn:
        result = done.record(conn)
    assert isinstance(result, FreezeResult)
    return result


def _open(run: Attempt, result: FreezeResult) -> Dataset:
    return open_dataset(run.artifacts, result.manifest)


def _stored_files(run: Attempt) -> list[Path]:
    folder = Path(run.artifacts._blobs)  # type: ignore[attr-defined]  # behind the store's back
    return [p for p in folder.rglob("*") if p.is_file()]


def test_labelled_rows_become_a_dataset(database: Database, run: Attempt) -> None:
    with database.transaction() as conn:
        _store(conn, _examples(60))
    result = _freeze(database, run)
    dataset = _open(run, result)
    rows = list(dataset.rows())
    assert [r.id for r in rows] == sorted(f"ex_{n}" for n in range(60))
    assert all(r.split == split_of(r.group, PIPELINE.split) for r in rows)
    assert {(r.id, r.group, r.input, r.at) for r in rows} == set(_examples(60))
    assert (result.rows, sum(result.splits.values()), result.created) == (60, 60, True)
    assert all(result.splits[s] == len(list(dataset.rows(s))) > 0 for s in ("train", "test"))
    with database.reading() as conn:
        record = datasets.get(conn, result.dataset_id)
        assert datasets.latest(conn, "probe", "default") == record
    assert dataset.id == record.id == result.dataset_id
    assert (record.row_count, record.split_counts, record.seed) == (60, result.splits, 42)
    assert (record.manifest, record.job_id) == (result.manifest, run.job_id)


def test_the_same_rows_and_seed_give_the_same_dataset_in_any_order_and_zone(database: Database, run: Attempt) -> None:
    rows = _examples(200)
    with database.transaction() as conn:
        _store(conn, rows)
    first = _freeze(database, run)
    with database.transaction() as conn:
        conn.execute("DELETE FROM ml_data")
        _store(conn, rows[::-2] + rows[::2])
        conn.execute("ALTER ROLE CURRENT_USER SET timezone TO 'Asia/Kathmandu'")
    try:
        again = _freeze(database, run)
    finally:
        with database.transaction() as conn:
            conn.execute("ALTER ROLE CURRENT_USER RESET timezone")
    assert again == first.model_copy(update={"created": False})


def test_only_the_last_days_or_only_named_examples(database: Database, run: Attempt) -> None:
    now = datetime.now(UTC)
    with database.transaction() as conn:
        _store(conn, [(f"ex_{n}", f"group {n}", "query", now - timedelta(days=n, hours=1)) for n in range(120)])
    result = _freeze(database, run, days=90)
    assert {row.id for row in _open(run, result).rows()} == {f"ex_{n}" for n in range(90)}
    wanted = {f"ex_{n}" for n in range(0, 120, 2)}
    named, _ = freeze_examples(PIPELINE, run, "default", 42, Which(ids={*wanted, "ex_unknown'"}))
    assert {row.id for row in _open(run, named).rows()} == wanted
    with database.reading() as conn:
        assert examples.known(conn, PIPELINE.source, "default", ["ex_1", "ex_unknown"]) == {"ex_1"}
    with pytest.raises(RefusedError):
        freeze_examples(PIPELINE, run, "default", 42, Which(ids=()))


def test_another_seed_gives_another_dataset_of_the_same_rows(database: Database, run: Attempt) -> None:
    with database.transaction() as conn:
        _store(conn, _examples(200))
    one, two = _freeze(database, run), _freeze(database, run, seed=7)
    assert one.dataset_id != two.dataset_id
    first, second = ({r.id: r.split for r in _open(run, x).rows()} for x in (one, two))
    assert first.keys() == second.keys()
    assert first != second


def test_new_rows_move_no_old_group(database: Database, run: Attempt) -> None:
    with database.transaction() as conn:
        _store(conn, _examples(100))
    before = {r.group: r.split for r in _open(run, _freeze(database, run)).rows()}
    with database.transaction() as conn:
        _store(conn, _examples(300)[100:])
    after = list(_open(run, _freeze(database, run)).rows())
    assert len(after) == 300
    assert {r.group: r.split for r in after if r.group in before} == before
    assert len({(r.group, r.split) for r in after}) == 100


@given(st.lists(st.tuples(texts, texts, texts, times), min_size=1, max_size=20, unique_by=lambda row: row[0]))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_any_text_survives_the_way_through(database: Database, rows: list[Example]) -> None:
    policy = PIPELINE.split
    with database.transaction() as conn:
        _store(conn, rows)
        lines = b"".join(b.lines for b in examples.export(conn, "router_examples", "default", policy)).split(b"\n")
        conn.rollback()
    found = [orjson.loads(line) for line in lines[:-1]]
    assert lines[-1] == b""
    assert [f["id"] for f in found] == sorted(row[0] for row in rows)
    assert {(f["id"], f["group"], f["input"], datetime.fromisoformat(f["at"])) for f in found} == set(rows)
    assert all(f["split"] == split_of(f["group"], policy) for f in found)


def test_too_few_rows_are_refused_and_nothing_stays(database: Database, run: Attempt) -> None:
    with database.transaction() as conn:
        _store(conn, _examples(37))
    with pytest.raises(RefusedError, match=r"^insufficient training data: 37 of 50$"):
        freeze(PIPELINE, run, FreezeParams())
    assert _stored_files(run) == []


def test_no_rows_are_refused_too(run: Attempt) -> None:
    with pytest.raises(RefusedError, match="0 of 50"):
        freeze(PIPELINE, run, FreezeParams())


def test_rows_of_one_group_leave_nothing_to_test_with(database: Database, run: Attempt) -> None:
    with database.transaction() as conn:
        _store(conn, [(row[0], "the only group", *row[2:]) for row in _examples(60)])
    with pytest.raises(RefusedError, match="none of 60 examples falls into the split"):
        freeze(PIPELINE, run, FreezeParams())


def test_an_unknown_surface_is_refused(run: Attempt) -> None:
    with pytest.raises(InvalidInputError, match="no surface binary"):
        freeze(PIPELINE, run, FreezeParams(surface="binary"))


def test_a_cancelled_freeze_stops_and_leaves_nothing(database: Database, run: Attempt) -> None:
    with database.transaction() as conn:
        _store(conn, _examples(60))
        jobs.cancel(conn, run.job_id, "tester")
    run.renew()
    with pytest.raises(JobCancelled):
        freeze(PIPELINE, run, FreezeParams())
    assert _stored_files(run) == []


def test_the_person_who_labelled_is_in_no_file(database: Database, run: Attempt) -> None:
    with database.transaction() as conn:
        _store(conn, _examples(60))
    _freeze(database, run)
    assert not any(b"Lovelace" in path.read_bytes() for path in _stored_files(run))


@pytest.mark.parametrize("table", ["predictions", "queries", "query_words", "ml_data", "models"])
def test_the_database_itself_lets_training_read_labels_only(database: Database, table: str) -> None:
    with database.training_data() as conn:
        conn.execute("SELECT * FROM router_examples")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(f"SELECT * FROM {table}")


@pytest.mark.parametrize("label", ["NULL::text", "E'[1,\\n2]'::json"])
def test_a_view_that_breaks_its_promise_is_found_out(database: Database, label: str) -> None:
    with database.transaction() as conn:
        conn.execute(
            "CREATE VIEW broken AS SELECT 'a' AS id, 'default' AS surface, 'g' AS \"group\", 'x' AS input, "
            f"{label} AS label, now() AS at"
        )
        with pytest.raises(CorruptError, match="broken"):
            list(examples.export(conn, "broken", "default", PIPELINE.split))


def test_memory_does_not_grow_with_the_rows(database: Database, run: Attempt) -> None:
    with database.transaction() as conn:
        conn.execute(
            "INSERT INTO ml_data (id, query, group_key, label, source, labelled_by) "
            "SELECT 'ex_' || md5(n::text), repeat(md5(n::text), 10), n::text, 'EASY', 'import', 'x' "
            "FROM generate_series(1, 60000) n"
        )
    tracemalloc.start()
    try:
        result = _freeze(database, run)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert _open(run, result).file.size > 25 * MIB
    assert peak < 8 * MIB


# --- the table ------------------------------------------------------------------------------------------------------


def test_pages_of_datasets_come_newest_first(database: Database) -> None:
    def insert(conn: Connection, number: int) -> str:
        name = f"ds_{(number * 7) % 5}"  # ids of content: their order says nothing
        assert datasets.insert(
            conn, dataset_id=name, pipeline="router", surface="default", manifest="0" * 64, rows=1,
            splits={"train": 1, "test": 0}, seed=1, job_id=None,
        )  # fmt: skip
        return name

    names = []
    for number in range(5):
        with database.transaction() as conn:  # one transaction each: now() is its time
            names.append(insert(conn, number))
    with database.reading() as conn:
        page = datasets.list_datasets(conn, pipeline="router", limit=3)
        rest = datasets.list_datasets(conn, pipeline="router", before=page[-1].id)
        assert [d.id for d in (*page, *rest)] == names[::-1]
        assert datasets.latest(conn, "router", "default").id == names[-1]
        assert datasets.list_datasets(conn, pipeline="gold") == []
        with pytest.raises(NotFoundError, match="no dataset for binary"):
            datasets.latest(conn, "router", "binary")
        with pytest.raises(NotFoundError):
            datasets.get(conn, "ds_none")
