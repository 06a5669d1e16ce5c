"""Calls through real inference workers: batched, followed by promotions, and answered whatever becomes of Redis."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from anyio.from_thread import BlockingPortal, start_blocking_portal

from shared.artifact_stores import open_store
from shared.contracts import Path as AnswerPath
from shared.db.pool import Database
from shared.errors import InvalidInputError
from shared.loop.predict import Answered
from shared.settings import Settings
from shared.stack.process import ChildProcess
from tests.support import parrot
from tests.support.parrot import PIPELINE as PARROT
from tests.support.servers import RedisProcess
from tests.support.waiting import wait_until
from workers.calls import CALL_KEY, Caller
from workers.dispatch import queue_key

StartWorker = Callable[..., ChildProcess]
Promote = Callable[[str], None]

TIMEOUT_S = 2.0
PATIENT_S = 20.0  # where no answer may be missing, however busy the machine is
QUEUE = queue_key("inference")
CANARY = "my name is Ada Lovelace"


@pytest.fixture
def environment(environment: dict[str, str], own_redis: RedisProcess) -> dict[str, str]:
    return environment | {"REDIS_URL": own_redis.url, "TUNEYARD_PIPELINES": "tests.support.parrot"}


@pytest.fixture
def promote(database: Database, settings: Settings, tmp_path: Path) -> Promote:
    """Make a new model that says this word the active one."""

    def promote(word: str) -> None:
        store = open_store(settings.artifacts(), settings)
        with database.transaction() as conn:
            parrot.activate(conn, parrot.add_model(conn, store, tmp_path / "trained", word))

    return promote


class Front:
    """A caller on an event loop in a thread of its own, as a front has it."""

    def __init__(self, portal: BlockingPortal, caller: Caller) -> None:
        self._portal = portal
        self._caller = caller

    def ask(self, raw: object = "hello") -> Answered:
        answer: Answered = self._portal.call(self._caller.call, PARROT, "default", raw)
        return answer

    def begin(self, *texts: str) -> list[Future[Answered]]:
        return [self._portal.start_task_soon(self._caller.call, PARROT, "default", text) for text in texts]

    def ask_all(self, *texts: str) -> list[Answered]:
        return [future.result() for future in self.begin(*texts)]

    def answers_by(self, path: AnswerPath) -> Callable[[], bool]:
        return lambda: self.ask().path is path


@contextmanager
def calling(url: str, timeout_s: float = TIMEOUT_S) -> Iterator[Front]:
    with start_blocking_portal() as portal:
        caller = Caller(url, timeout_s)
        portal.call(caller.start)
        try:
            yield Front(portal, caller)
        finally:
            portal.call(caller.stop)


def pushed(own_redis: RedisProcess) -> int:
    """Count the Celery messages that were ever sent."""
    with redis.Redis.from_url(own_redis.url) as client:
        stats = client.info("commandstats")
    return int(stats.get("cmdstat_lpush", {}).get("calls", 0))


def test_concurrent_calls_travel_together_and_each_gets_its_own_answer(
    own_redis: RedisProcess, promote: Promote, worker: StartWorker
) -> None:
    promote("one")
    worker("inference")
    texts = [f"call {n}" for n in range(1000)]
    with calling(own_redis.url, timeout_s=PATIENT_S) as front:
        before = pushed(own_redis)
        answers = front.ask_all(*texts)
        assert pushed(own_redis) - before < 300
    assert [a.output["text"] for a in answers] == [f"{text} one" for text in texts]
    assert {(a.path, a.model_version) for a in answers} == {(AnswerPath.MODEL, "one")}


def test_a_promotion_reaches_all_workers_within_two_seconds_without_a_failed_call(
    own_redis: RedisProcess, promote: Promote, worker: StartWorker
) -> None:
    promote("one")
    worker("inference")
    worker("inference")
    answers: list[Answered] = []
    done = threading.Event()
    with calling(own_redis.url, timeout_s=PATIENT_S) as front, ThreadPoolExecutor(4) as clients:

        def keep_asking() -> None:
            while not done.is_set():
                answers.append(front.ask())

        asking = [clients.submit(keep_asking) for _ in range(4)]
        try:
            wait_until(lambda: len(answers) > 100)
            promote("two")
            wait_until(lambda: {a.model_version for a in answers[-50:]} == {"two"}, timeout=2)
        finally:
            done.set()
        for client in asking:
            client.result()
    assert {a.path for a in answers} == {AnswerPath.MODEL}
    assert {a.model_version for a in answers} == {"one", "two"}


def test_calls_in_a_row_seldom_need_celery(own_redis: RedisProcess, promote: Promote, worker: StartWorker) -> None:
    promote("one")
    worker("inference")
    with calling(own_redis.url, timeout_s=PATIENT_S) as front:
        before = pushed(own_redis)
        assert {front.ask().path for _ in range(200)} == {AnswerPath.MODEL}
        assert pushed(own_redis) - before < 100


def test_a_busy_front_keeps_no_other_waiting_and_the_worker_stops_when_told_to(
    own_redis: RedisProcess, promote: Promote, worker: StartWorker
) -> None:
    promote("one")
    serving = worker("inference")
    done = threading.Event()
    url = own_redis.url
    with calling(url) as busy, calling(url, timeout_s=PATIENT_S) as late, ThreadPoolExecutor() as clients:

        def keep_asking() -> None:
            while not done.is_set():
                busy.ask()

        asking = clients.submit(keep_asking)
        try:
            wait_until(lambda: pushed(own_redis) > 0)
            assert late.ask().path is AnswerPath.MODEL
            assert serving.stop() == 0
        finally:
            done.set()
        asking.result()


def test_while_redis_is_frozen_calls_get_the_fallback_and_afterwards_the_model(
    own_redis: RedisProcess, promote: Promote, worker: StartWorker
) -> None:
    promote("one")
    worker("inference")
    with calling(own_redis.url) as front:
        assert front.ask().path is AnswerPath.MODEL
        own_redis.freeze()
        began = time.monotonic()
        answers = front.ask_all(*["hello"] * 600)
        assert time.monotonic() - began < TIMEOUT_S * 10, "one after another they would wait 600 time-outs"
        assert {a.path for a in answers} == {AnswerPath.FALLBACK}
        began = time.monotonic()
        assert {front.ask().path for _ in range(100)} == {AnswerPath.FALLBACK}
        assert time.monotonic() - began < TIMEOUT_S / 2, "only the first calls wait"
        own_redis.thaw()
        wait_until(front.answers_by(AnswerPath.MODEL))


def test_without_redis_calls_get_the_fallback_and_once_it_is_there_the_model(
    own_redis: RedisProcess, promote: Promote, worker: StartWorker
) -> None:
    promote("one")
    worker("inference")
    own_redis.kill()
    with calling(own_redis.url) as front:
        began = time.monotonic()
        assert front.ask().path is AnswerPath.FALLBACK
        assert time.monotonic() - began < TIMEOUT_S / 2, "a refused connection is known at once"
        own_redis.start()
        wait_until(front.answers_by(AnswerPath.MODEL), timeout=30)


def test_without_a_worker_nothing_piles_up_and_the_first_worker_is_found(
    own_redis: RedisProcess, promote: Promote, worker: StartWorker
) -> None:
    promote("one")
    with calling(own_redis.url, timeout_s=0.3) as front, redis.Redis.from_url(own_redis.url) as client:
        answers = front.ask_all(*["hello"] * 600)
        assert {a.path for a in answers} == {AnswerPath.FALLBACK}
        wait_until(lambda: not client.keys())
        worker("inference")
        wait_until(front.answers_by(AnswerPath.MODEL))


def test_when_a_worker_is_killed_calls_get_the_fallback_until_there_is_another(
    own_redis: RedisProcess, promote: Promote, worker: StartWorker
) -> None:
    promote("one")
    first = worker("inference")
    with calling(own_redis.url, timeout_s=0.5) as front:
        wait_until(front.answers_by(AnswerPath.MODEL))
        first.kill()
        wait_until(front.answers_by(AnswerPath.FALLBACK))
        worker("inference")
        wait_until(front.answers_by(AnswerPath.MODEL))


def test_the_message_holds_nothing_that_a_user_wrote(own_redis: RedisProcess) -> None:
    with calling(own_redis.url) as front, redis.Redis.from_url(own_redis.url) as client:
        (call,) = front.begin(CANARY)
        (message,) = wait_until(lambda: client.lrange(QUEUE, 0, -1))
        (key,) = client.keys(CALL_KEY + "*")
        payload, left_ms = client.get(key), client.pttl(key)
        call.result()
    body = base64.b64decode(json.loads(message)["body"])
    assert b"parrot.predict" in message
    assert b"call_" in body
    assert CANARY.encode() not in message + body
    assert CANARY.encode() in payload
    assert 0 < left_ms <= TIMEOUT_S * 1000


def test_an_input_against_the_contract_is_refused_before_it_travels(own_redis: RedisProcess) -> None:
    with calling(own_redis.url) as front, pytest.raises(InvalidInputError):
        front.ask(7)
    assert pushed(own_redis) == 0


def test_whoever_still_waits_at_a_normal_stop_gets_the_fallback(own_redis: RedisProcess) -> None:
    with calling(own_redis.url, timeout_s=60) as front:
        calls = front.begin(*["hello"] * 600)
    assert {call.result().path for call in calls} == {AnswerPath.FALLBACK}
