"""Answers are written down off their path, and none is lost for want of a database that is away for a while."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from anyio.from_thread import start_blocking_portal

from api.recorder import Record, Recorder
from shared import ids
from shared.db.migrate import migrate
from shared.db.pool import Database
from shared.db.predictions import Prediction
from shared.db.queries import Query
from shared.errors import UnavailableError
from tests.support.servers import PostgresProcess


def record(text: str = "What is 2 + 2?") -> Record:
    prediction = Prediction(
        id=ids.new_id(ids.PREDICTION),
        pipeline="router",
        surface="default",
        model_id=None,
        path="fallback",
        confidence=0.25,
        output={"difficulty": "UNCERTAIN", "probabilities": {}},
        created_at=datetime.now(UTC),
    )
    query = Query(
        id=prediction.id,
        query=text,
        difficulty="UNCERTAIN",
        confidence=0.25,
        model_version=None,
        override=None,
        created_at=prediction.created_at,
    )
    return Record(prediction, query)


@asynccontextmanager
async def recording(database: Database) -> AsyncIterator[Recorder]:
    recorder = Recorder(database)
    await recorder.start()
    try:
        yield recorder
    finally:
        await recorder.stop()


def written(database: Database) -> dict[str, str]:
    return dict(
        database.read(lambda conn: conn.execute("SELECT id, query FROM queries JOIN predictions USING (id)").fetchall())
    )


def test_what_was_recorded_is_written_at_a_normal_stop(database: Database) -> None:
    records = [record(f"question {n} 'quoted' \\ {{}} ü") for n in range(1203)]

    async def scenario() -> None:
        async with recording(database) as recorder:
            for each in records:
                recorder.record(each)

    asyncio.run(scenario())
    assert written(database) == {r.prediction.id: r.query.query for r in records if r.query}


def test_a_record_keeps_every_field(database: Database) -> None:
    given = record()

    async def scenario() -> None:
        async with recording(database) as recorder:
            recorder.record(given)
            recorder.record(Record(replace(given.prediction, id="pred_alone")))

    asyncio.run(scenario())
    with database.reading() as conn:
        prediction = conn.execute(
            "SELECT id, pipeline, surface, model_id, path, confidence, output, created_at"
            " FROM predictions WHERE id = %s",
            [given.prediction.id],
        ).fetchone()
        (queries,) = conn.execute("SELECT count(*) FROM queries").fetchone() or (0,)
    assert prediction == tuple(given.prediction.__dict__.values())
    assert queries == 1, "only the router's predictions have a query"


def test_one_can_wait_until_an_answer_is_written(database: Database) -> None:
    async def scenario() -> None:
        async with recording(database) as recorder:
            given = record()
            recorder.record(given)
            await recorder.wait_recorded(given.prediction.id)
            assert given.prediction.id in written(database)
            await recorder.wait_recorded("pred_of_somebody_else")

    asyncio.run(scenario())


def test_a_record_that_the_database_refuses_costs_no_other(database: Database) -> None:
    good = [record(), record()]
    text, model = record("NUL \x00 cannot be stored"), record()
    unknown = Record(replace(model.prediction, model_id="mdl_unknown"), model.query)

    async def scenario() -> None:
        async with recording(database) as recorder:
            for each in (good[0], text, unknown, good[1]):
                recorder.record(each)

    asyncio.run(scenario())
    assert set(written(database)) == {r.prediction.id for r in good}


def test_answers_are_counted_by_path(database: Database) -> None:
    async def scenario() -> Recorder:
        async with recording(database) as recorder:
            recorder.record(record())
            recorder.record(record())
            recorder.count(replace(record().prediction, path="model"))
        return recorder

    assert asyncio.run(scenario()).answered == {("router", "fallback"): 2, ("router", "model"): 1}


def test_answers_wait_while_the_database_is_away(own_postgres: PostgresProcess) -> None:
    dsn = own_postgres.server.dsn("tuneyard")
    migrate(dsn)
    database = Database(dsn, timeout=0.5)
    records = [record() for _ in range(20)]
    # The server is started from this thread, for it ends with the thread that started it.
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(recording(database)) as recorder:
        portal.call(recorder.record, records[0])
        portal.call(recorder.wait_recorded, records[0].prediction.id)
        own_postgres.kill()
        for each in records[1:]:
            portal.call(recorder.record, each)
        with pytest.raises(UnavailableError, match="not yet written"):
            portal.call(recorder.wait_recorded, records[-1].prediction.id, 0.5)
        own_postgres.start()
        portal.call(recorder.wait_recorded, records[-1].prediction.id, 30)
    assert set(written(database)) == {r.prediction.id for r in records}
    database.close()
