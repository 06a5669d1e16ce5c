"""What is left of a process that was killed with a request under way: leases that run out, and money that counts."""

import os
import signal
import threading
import time
from types import FrameType
from typing import Any

import pytest

from shared.contracts import Path
from shared.db.pool import Database
from tests.support.askers import asking, question
from tests.support.hostile_model import HostileModel, completion
from tests.support.processes import Processes
from tests.support.waiting import wait_until


def test_another_process_asks_again_when_the_time_of_the_dead_one_is_over(
    processes: Processes, database: Database
) -> None:
    killed = threading.Event()

    def script(_: dict[str, Any]) -> list[bytes]:
        killed.wait(30)
        return [completion("x")]

    with HostileModel(script) as model, asking(model.url, database, timeout_s=20) as completions:
        process = processes.python("-m", "tests.support.dying_asker", model.url, "2.0")
        wait_until(lambda: model.asked or not process.is_running, timeout=60)
        assert len(model.asked) == 1, process.log.read_text()
        process.kill()
        killed.set()
        with database.reading() as conn:
            assert conn.execute("SELECT asking_until > now() FROM llm_answers").fetchone() == (True,)
            assert conn.execute("SELECT kind FROM spend").fetchall() == [("reserved",)]
        began = time.monotonic()
        assert completions.complete(question(), purpose="test").path is Path.MODEL
        assert 0.5 < time.monotonic() - began < 10  # it waited for the claim of the dead one, which may be just busy
        assert len(model.asked) == 2
        with database.reading() as conn:
            kinds = conn.execute("SELECT kind FROM spend ORDER BY kind").fetchall()
            assert kinds == [("booked",), ("reserved",)]  # what the dead one may owe goes on counting
            assert conn.execute("SELECT count(*) FROM llm_answers WHERE text IS NULL").fetchone() == (0,)


class Stop(BaseException):
    """What a worker's time limit raises, in the middle of whatever is done."""


def test_a_worker_that_is_stopped_gives_everything_back(database: Database) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Stop

    def script(_: dict[str, Any]) -> list[bytes]:
        os.kill(os.getpid(), signal.SIGUSR1)
        model.stopped.wait(30)
        return []

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with HostileModel(script) as model, asking(model.url, database) as completions:
            with pytest.raises(Stop):
                completions.complete(question(), purpose="test")
            model.stopped.set()
    finally:
        signal.signal(signal.SIGUSR1, before)
    with database.reading() as conn:
        assert conn.execute("SELECT count(*) FROM llm_answers").fetchone() == (0,)
        assert conn.execute("SELECT slots FROM llm_limits").fetchone() == ([None],)
        assert conn.execute("SELECT kind, usd > 0 FROM spend").fetchall() == [("booked", True)]  # it may be billed
