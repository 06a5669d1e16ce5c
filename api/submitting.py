"""Group commit: concurrent submits share one statement, one transaction and one flush of the database's log.

A lone submit is written at once. While groups are being written, further submits gather, and go together as soon as one
of them is done: the busier the front, the larger the groups, and nobody waits for a timer.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Final

import psycopg
import structlog
from psycopg import Connection

from shared import jobs
from shared.db.pool import Database, connection_lost
from shared.errors import TuneyardError, UnavailableError
from shared.jobs import NewJob, Submission
from workers.dispatch import Dispatcher, WakeUp

log = structlog.get_logger()

_AT_ONCE: Final = 500
_WRITERS: Final = 2  # while one group waits for the disk, the next one is on its way; on a slow disk that counts

Outcome = Submission | Exception
_Waiting = tuple[NewJob, "asyncio.Future[Submission]"]


class Submitter:
    """Writes jobs for one event loop, from threads of its own."""

    def __init__(self, database: Database, dispatcher: Dispatcher) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._waiting: deque[_Waiting] = deque()
        self._due = False
        self._free = _WRITERS
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="submitter")

    async def submit(self, new_job: NewJob) -> Submission:
        """Write a job; return when it is committed, and its wake-up is handed over.

        Raises UnavailableError when the database does not take it, ConflictError when its keys are fought over.
        """
        loop = asyncio.get_running_loop()
        committed: asyncio.Future[Submission] = loop.create_future()
        self._waiting.append((new_job, committed))
        if self._free and not self._due:
            self._due = True
            loop.call_soon(self._write_next, loop)  # after the other requests of this turn of the loop
        return await committed

    def stop(self) -> None:
        """Wait for what is being written."""
        self._writers.shutdown()

    def _write_next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = False
        while self._waiting and self._free:
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), _AT_ONCE))]
            self._free -= 1
            self._writers.submit(self._write, loop, group)

    def _write(self, loop: asyncio.AbstractEventLoop, group: Sequence[_Waiting]) -> None:
        outcomes = self._outcomes([new_job for new_job, _ in group])
        created = [
            WakeUp(new_job.id, new_job.kind, new_job.queue)
            for (new_job, _), outcome in zip(group, outcomes, strict=True)
            if isinstance(outcome, Submission) and outcome.created
        ]
        self._dispatcher.notify(created)
        loop.call_soon_threadsafe(self._tell, loop, group, outcomes)

    def _tell(self, loop: asyncio.AbstractEventLoop, group: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
        for (_, committed), outcome in zip(group, outcomes, strict=True):
            if committed.done():  # the client has hung up; the job stands
                continue
            if isinstance(outcome, Submission):
                committed.set_result(outcome)
            else:
                committed.set_exception(outcome)
        self._free += 1
        self._write_next(loop)

    def _outcomes(self, new_jobs: Sequence[NewJob]) -> Sequence[Outcome]:
        """Write the jobs together; when one of them spoils that, each by itself."""
        try:
            return self._submit(new_jobs)
        except UnavailableError as error:
            if not isinstance(error.__cause__, psycopg.errors.DeadlockDetected):
                return [error] * len(new_jobs)
            reason: Exception = error
        except (TuneyardError, psycopg.Error) as error:
            reason = error
        except Exception as error:  # a fault of ours: whoever waits must hear of it
            log.exception("a group of submits failed", jobs=len(new_jobs))
            return [error] * len(new_jobs)
        if len(new_jobs) == 1:
            return [reason]
        log.warning("a group of submits failed: one by one", jobs=len(new_jobs), reason=type(reason).__name__)
        return [outcome for job in new_jobs for outcome in self._outcomes([job])]

    def _submit(self, new_jobs: Sequence[NewJob]) -> Sequence[Submission]:
        # in the order of their keys, so that two fronts never wait for each other
        ordered = sorted(new_jobs, key=lambda job: (job.unique_key or "", job.idempotency_key or ""))
        try:
            with self._open(ordered) as conn:
                submissions = jobs.submit(conn, ordered)
        except UnavailableError as error:
            if not connection_lost(error):
                raise
            with self._database.transaction() as conn:
                submissions = jobs.submit_again(conn, ordered)
        by_id = dict(zip((job.id for job in ordered), submissions, strict=True))
        return [by_id[job.id] for job in new_jobs]

    def _open(self, new_jobs: Sequence[NewJob]) -> AbstractContextManager[Connection]:
        """Open what it takes: writing jobs is one statement, unless an idempotency key has to be given back."""
        if any(job.idempotency_key for job in new_jobs):
            return self._database.transaction()
        return self._database.statement()
