"""The bare fronts that ours is measured against: FastAPI as anybody would write it, served in the same way.

``/validate`` reads and answers. ``/insert`` adds one INSERT, committed, over an asynchronous pool. ``/usual`` is what
most projects do: INSERT and ``delay()`` in a thread. ``/predict`` and ``/complete`` call a model in the process itself.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio.to_thread
import uvicorn
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from pydantic import BaseModel

from shared.contracts import Queue
from shared.ids import new_id
from shared.loop.evaluate import EvaluateParams
from shared.settings import get_settings

_TABLE: Final = "CREATE TABLE IF NOT EXISTS bare (id text PRIMARY KEY, params jsonb, at timestamptz DEFAULT now())"
_INSERT: Final = "INSERT INTO bare (id, params) VALUES (%s, %s)"
_POOL: Final[dict[str, Any]] = {"min_size": 10, "max_size": 10, "open": False, "kwargs": {"autocommit": True}}


class Accepted(BaseModel):
    """What all answer."""

    id: str
    params: EvaluateParams


class Question(BaseModel):
    """A query."""

    query: str


class Said(BaseModel):
    """How hard it is."""

    difficulty: str
    confidence: float


class Conversation(BaseModel):
    """Messages to answer."""

    model: str
    messages: list[dict[str, str]]


class Completed(BaseModel):
    """The answer."""

    text: str


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    dsn = get_settings().dsn()
    pool: Any = AsyncConnectionPool(dsn, **_POOL)
    threads: Any = ConnectionPool(dsn, **_POOL)
    async with pool:
        with threads:
            async with pool.connection() as conn:
                await conn.execute(_TABLE)
            app.state.pool, app.state.threads = pool, threads
            yield


app = FastAPI(lifespan=_lifespan, telemetry={"tracing": False, "metrics": False})


@app.post("/validate", status_code=202)
async def validate(params: EvaluateParams) -> Accepted:
    return Accepted(id=new_id("job"), params=params)


@app.post("/insert", status_code=202)
async def insert(params: EvaluateParams) -> Accepted:
    accepted = Accepted(id=new_id("job"), params=params)
    async with app.state.pool.connection() as conn:
        await conn.execute(_INSERT, [accepted.id, params.model_dump_json()])
    return accepted


@app.post("/usual", status_code=202)
async def usual(params: EvaluateParams) -> Accepted:
    accepted = Accepted(id=new_id("job"), params=params)
    await anyio.to_thread.run_sync(_insert_and_delay, accepted)
    return accepted


def _insert_and_delay(accepted: Accepted) -> None:
    from tests.bench.bare_worker import noop

    with app.state.threads.connection() as conn:
        conn.execute(_INSERT, [accepted.id, accepted.params.model_dump_json()])
    noop.apply_async([accepted.id], queue=Queue.GPU.value)


@app.post("/predict")
async def predict(question: Question) -> Said:
    (answer,) = app.state.model.predict([question.query])
    return Said(difficulty=answer.output.difficulty, confidence=answer.confidence)


@app.post("/complete")
async def complete(asked: Conversation) -> Completed:
    from shared.llm.engines import LocalRequest

    (answer,) = app.state.model.complete([LocalRequest(messages=asked.messages)])
    return Completed(text=answer.text)


def _load_local(manifest: str) -> None:
    from shared.artifact_stores import open_store
    from shared.llm.engines import NEAREST, engine_for
    from shared.model_files import ModelFiles

    settings = get_settings()
    files = ModelFiles(open_store(settings.artifacts(), settings), settings.tuneyard_home / "bare")
    app.state.model = engine_for(NEAREST).load(files.get(manifest))


def _load_model() -> None:
    from shared.artifact_stores import open_store
    from shared.db.pool import get_database
    from shared.db.serving import active_models
    from shared.model_files import ModelFiles
    from shared.registry import get_pipeline

    settings = get_settings()
    files = ModelFiles(open_store(settings.artifacts(), settings), settings.tuneyard_home / "bare")
    with get_database().reading() as conn:
        (active,) = active_models(conn)
    app.state.model = get_pipeline(active.pipeline).load(files.get(active.manifest))


if __name__ == "__main__":
    if "predict" in sys.argv:
        _load_model()
    if "complete" in sys.argv:
        _load_local(sys.argv[3])
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", ws="none", log_config=None,
        access_log=False, server_header=False,
    )  # fmt: skip
