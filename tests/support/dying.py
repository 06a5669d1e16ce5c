"""Runs jobs in processes that are killed at a chosen point. Reads lines ``JOB POINT``, answers ``killed`` or ``lived``.

A point is a moment just before an effect on the outside world: a statement, a commit, a stored blob, or the moment just
after a commit. Each job gets a fork of its own, taken before any thread or connection exists.
"""

import math
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import psycopg

from shared.artifact_stores import LocalStore
from shared.db import pool
from shared.registry import steps
from workers import attempt
from workers.unit import run_job


class Countdown:
    """Kills this process when it has come to its last effect."""

    def __init__(self, left: int) -> None:
        self._left = left

    def tick(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, owner: type, name: str) -> None:
        """Count each call of a method, before it is made."""
        self._wrap(owner, name, after=False)

    def around(self, owner: type, name: str) -> None:
        """Count each call of a method, before it is made and after."""
        self._wrap(owner, name, after=True)

    def _wrap(self, owner: type, name: str, *, after: bool) -> None:
        call: Callable[..., Any] = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            result = call(*args, **kwargs)
            if after:
                self.tick()
            return result

        setattr(owner, name, counted)


def _forget_the_time() -> None:
    """Let a job have the same effects on a busy machine: what is done now and then is done each time, or never."""
    os.environ["HEARTBEAT_SECONDS"] = "3600"
    attempt._REPORT_EVERY_S = 0.0  # type: ignore[misc]
    pool._TRUSTED_S = math.inf


def _run(job_id: str, point: int) -> None:
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # logs are no answers
    countdown = Countdown(point)
    countdown.before(psycopg.Cursor, "execute")
    countdown.around(psycopg.Connection, "commit")
    countdown.before(LocalStore, "writer")
    run_job(job_id)


def main() -> None:
    """Answer until the input ends. Modules that are named are loaded too: heavy ones once, in place of in each fork."""
    _forget_the_time()
    steps()  # load everything before the first fork
    for name in sys.argv[1:]:
        import_module(name)
    for line in sys.stdin:
        job_id, point = line.split()
        child = os.fork()
        if child == 0:
            _run(job_id, int(point))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        answer = "killed" if killed else f"lived {os.waitstatus_to_exitcode(status)}"
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
