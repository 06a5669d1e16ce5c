"""Sends committed jobs to the broker: after the commit, by name, with the job's id as the only argument.

An envelope is what Celery itself would put into Redis (a test compares them); it is built from a template and pushed
many at a time, which is about fifty times as fast as ``apply_async`` in a loop. A wake-up that cannot be sent is not an
error: the job is in the ledger, and the sweep sends it.
"""

import base64
import json
import queue
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.contracts import Queue
from shared.db import sweeping
from shared.db.jobs import Job
from shared.db.pool import Database
from shared.errors import UnavailableError
from shared.ids import new_id
from shared.settings import get_settings
from workers.app import KEY_PREFIX, TASK_OPTIONS, app

log = structlog.get_logger()

_ID: Final = "00000000-tuneyard-task-id"  # stands in the template where the id goes
_TAG: Final = "00000000-tuneyard-delivery-tag"
_PUSH_AT_ONCE: Final = 500
_FRONT_TIMEOUT_S: Final = 2.0  # a request may be waiting


@dataclass(frozen=True, slots=True)
class WakeUp:
    """The message: this job, of this kind, is due in this queue."""

    job_id: str
    kind: str
    queue: str


def wake_up(job: Job) -> WakeUp:
    """Return the wake-up of a job."""
    return WakeUp(job.id, job.kind, job.queue)


def queue_key(name: str) -> str:
    """Return the name of the Redis list that holds a queue."""
    return KEY_PREFIX + name


def envelope(task: str, args: Sequence[Any], queue_name: str, *, task_id: str, expires_s: float | None = None) -> bytes:
    """Build the message that Celery's ``apply_async`` would put into Redis."""
    options = TASK_OPTIONS[Queue(queue_name)]
    message = app.amqp.as_task_v2(
        task_id, task, list(args), {}, expires=expires_s, ignore_result=True,
        time_limit=options.get("time_limit"), soft_time_limit=options.get("soft_time_limit"),
    )  # fmt: skip
    body = json.dumps(message.body).encode()
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": message.headers,
            "properties": {
                **message.properties,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue_name},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": new_id("tag"),
            },
        }
    ).encode()


@lru_cache(maxsize=256)
def _template(kind: str, queue_name: str) -> tuple[str, str]:
    """Return the envelope of a step without its id and body, and the body without its id."""
    raw = json.loads(envelope(kind, [_ID], queue_name, task_id=_ID))
    body = base64.b64decode(raw["body"]).decode()
    raw["body"] = "%body"
    raw["properties"]["delivery_tag"] = _TAG
    return json.dumps(raw), body


def job_envelope(wake: WakeUp) -> str:
    """Build a job's message; its Celery task id is the job's id, so that Flower shows it."""
    if "expires" in TASK_OPTIONS[Queue(wake.queue)]:  # holds a time, so no template can be kept
        expires = TASK_OPTIONS[Queue(wake.queue)]["expires"]
        return envelope(wake.kind, [wake.job_id], wake.queue, task_id=wake.job_id, expires_s=expires).decode()
    outer, body = _template(wake.kind, wake.queue)
    encoded = base64.b64encode(body.replace(_ID, wake.job_id).encode()).decode()
    return outer.replace("%body", encoded).replace(_TAG, new_id("tag")).replace(_ID, wake.job_id)


def broker() -> redis.Redis:
    """Return this process's client of the broker, which gives up in seconds and never tries twice."""
    return _client(get_settings().broker())


@lru_cache(maxsize=2)
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_connect_timeout=1, socket_timeout=_FRONT_TIMEOUT_S, retry=Retry(NoBackoff(), 0)
    )


def send(wakes: Sequence[WakeUp]) -> None:
    """Push wake-ups, many in one command. Raises UnavailableError when the broker does not take them."""
    by_queue: dict[str, list[str]] = defaultdict(list)
    for wake in wakes:
        by_queue[wake.queue].append(job_envelope(wake))
    try:
        with broker().pipeline(transaction=False) as pipe:
            for name, envelopes in by_queue.items():
                for start in range(0, len(envelopes), _PUSH_AT_ONCE):
                    pipe.lpush(queue_key(name), *envelopes[start : start + _PUSH_AT_ONCE])
            pipe.execute()
    except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError) as error:
        raise UnavailableError(
            f"the broker does not take messages ({type(error).__name__})", advice="check REDIS_URL and that Redis runs"
        ) from error


def send_or_leave(database: Database, wakes: Sequence[WakeUp]) -> bool:
    """Send wake-ups; if that fails, note it so that the next sweep does. Returns whether they were sent."""
    if not wakes:
        return True
    try:
        send(wakes)
    except UnavailableError as error:
        log.warning("wake-ups left to the sweep", count=len(wakes), reason=error.message)
        with database.transaction() as conn:
            sweeping.mark_unsent(conn, [w.job_id for w in wakes])
        return False
    return True


def queue_depths() -> Mapping[str, int]:
    """Return the number of messages in each queue. Raises UnavailableError."""
    names = [q.value for q in Queue]
    try:
        with broker().pipeline(transaction=False) as pipe:
            for name in names:
                pipe.llen(queue_key(name))
            return dict(zip(names, pipe.execute(), strict=True))
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise UnavailableError("the broker does not answer", advice="check REDIS_URL and that Redis runs") from error


def compact_broker_log() -> None:
    """Let Redis rewrite its append-only file, in which the texts of answered calls stand until then.

    A Redis that does not allow it, or is at it already, is left alone: the next sweep tries again.
    """
    try:
        broker().bgrewriteaof()
    except redis.RedisError as error:
        log.warning("Redis did not rewrite its append-only file", reason=type(error).__name__)


class Dispatcher:
    """Sends wake-ups from a thread of its own, so that no request ever waits for Redis."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._inbox: queue.SimpleQueue[Sequence[WakeUp] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def notify(self, wakes: Sequence[WakeUp]) -> None:
        """Hand over wake-ups of jobs that are committed; returns at once."""
        if wakes:
            self._inbox.put(wakes)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Send what was handed over, then stop. What does not get out in time the sweep will send."""
        self._inbox.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (first := self._inbox.get()) is not None:
            batch, stopping = _drain(self._inbox, list(first))
            try:
                send_or_leave(self._database, batch)
            except UnavailableError as error:  # the database is gone too; the sweep's empty-queue rule covers these
                log.warning("wake-ups could not be noted as unsent", count=len(batch), reason=error.message)
            if stopping:
                return


def _drain(inbox: "queue.SimpleQueue[Sequence[WakeUp] | None]", batch: list[WakeUp]) -> tuple[list[WakeUp], bool]:
    while True:
        try:
            more = inbox.get_nowait()
        except queue.Empty:
            return batch, False
        if more is None:
            return batch, True
        batch.extend(more)
