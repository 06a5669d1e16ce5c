"""The prediction calls: one Celery task for each pipeline and one for local models, with a batch's id as only argument.

The batch lies in Redis until its deadline (see ``workers/calls.py``); the answers go back to the list of the front that
asked. Nothing is kept, nothing is tried again: a front that gets no answer in time has a fallback. Having answered, the
worker stays for a moment: the next batch then skips Celery's way from message to task.
"""

import gc
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import orjson
import structlog
from celery import signals
from celery.worker import state as celery_state
from celery.worker.request import Request

from shared.artifact_stores import open_store
from shared.contracts import JsonObject, Queue
from shared.db.pool import get_database
from shared.llm.local_models import LocalModels
from shared.loop.predict import Answered, Predictor
from shared.model_files import ModelFiles
from shared.pipeline import Pipeline
from shared.registry import pipelines
from shared.settings import get_settings
from workers.addressees import LLM
from workers.app import app, task
from workers.calls import CALL_KEY, NEXT_KEY, STAY_S
from workers.redis_line import Command, RedisLine

log = structlog.get_logger()

_STAY_AT_MOST_S: Final = 1.0  # Celery's own business (remote control, heartbeats, a normal stop) waits so long at most
_PATIENCE_S: Final = 5.0  # with a frozen Redis; the callers have had their fallback long before
_REPLY_LIVES_S: Final = 30  # a front that died leaves no list behind


def answer_batches(batch_id: str) -> None:
    """Answer a batch, and then those that come while this worker stays."""
    line = _line(os.getpid())
    leave_at = time.monotonic() + _STAY_AT_MOST_S
    (payload,) = line.run(("GETDEL", CALL_KEY + batch_id))
    while payload is not None:  # else another worker has answered, or the deadline is over
        stays = time.monotonic() < leave_at and celery_state.should_stop is None
        answer = _answer(payload, stays=stays)
        if not stays:
            line.run(*answer)
            return
        *_, item = line.run(*answer, ("BLPOP", NEXT_KEY, STAY_S))
        payload = item and item[1]


def _answer(payload: bytes, *, stays: bool) -> list[Command]:
    """Return the commands that send a batch's answers, and word whether this worker listens for another one."""
    batch = orjson.loads(payload)
    try:
        answers = _answers(batch["pipeline"], batch["surface"], batch["inputs"])
    except Exception:
        log.exception("batch not answered", pipeline=batch["pipeline"], call=batch["id"])
        answers = None  # the front falls back at once, instead of waiting for what will not come
    reply = orjson.dumps({"id": batch["id"], "answers": answers, "stays": stays})
    return [
        ("RPUSH", batch["reply_to"], reply),
        ("EXPIRE", batch["reply_to"], _REPLY_LIVES_S),
        # It may have come on both ways: who looks on the other one shall find nothing.
        ("DEL", CALL_KEY + batch["id"]),
        ("LREM", NEXT_KEY, 0, payload),
    ]


def _answers(name: str, surface: str, inputs: list[Any]) -> list[Answered] | list[JsonObject]:
    if name == LLM:
        return _local_models(os.getpid()).answer(surface, inputs)
    return _predictor(os.getpid()).answer(name, surface, inputs)


class CallRequest(Request):  # type: ignore[misc]  # Celery has no types
    """A message that Redis forgot when it was taken (the queue is ``no_ack``): there is nothing to acknowledge."""

    def acknowledge(self) -> None:
        """Note that it is done with; kombu would tell Redis too, in a transaction for each message."""
        self.acknowledged = True


@lru_cache(maxsize=1)
def _line(pid: int) -> RedisLine:  # noqa: ARG001  (the key: sockets do not survive a fork)
    return RedisLine(get_settings().broker(), _PATIENCE_S)


@lru_cache(maxsize=1)
def _predictor(pid: int) -> Predictor:  # noqa: ARG001  (the key, as above: threads do not either)
    settings = get_settings()
    files = ModelFiles(open_store(settings.artifacts(), settings), _home() / "models")
    predictor = Predictor(get_database(), files, _served())
    predictor.start()
    return predictor


@lru_cache(maxsize=1)
def _local_models(pid: int) -> LocalModels:  # noqa: ARG001  (the key, as above)
    settings = get_settings()
    return LocalModels(ModelFiles(open_store(settings.artifacts(), settings), _home() / "local-models"))


def _home() -> Path:
    return get_settings().tuneyard_home.resolve()


def _served() -> dict[str, Pipeline[Any, Any]]:
    """Return the pipelines whose models answer in this worker."""
    return {name: p for name, p in pipelines().items() if p.predict_queue is Queue.INFERENCE}


def _load_models(**_: Any) -> None:
    """Load the models before the first call, in the process that will answer it."""
    if Queue.INFERENCE.value in app.amqp.queues.consume_from:
        _predictor(os.getpid())
        gc.collect()
        gc.freeze()  # what is loaded stays: looking at it in each full collection would hold up the calls


def _register(name: str) -> None:
    def predict(batch_id: str) -> None:
        answer_batches(batch_id)

    task(f"{name}.predict", Queue.INFERENCE)(predict)


for _name in (*_served(), LLM):
    _register(_name)
signals.worker_process_init.connect(_load_models)
