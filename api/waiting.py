"""Waiting for jobs: one query now and then for everybody who waits in this process.

A waiter says what it has seen, and gets what is new. Whoever does not ask (a slow reader of a stream) is not read for,
so nothing piles up.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import structlog

from shared.contracts import FINAL_STATES
from shared.db import events as event_rows
from shared.db.events import Event
from shared.db.pool import Database
from shared.errors import UnavailableError

log = structlog.get_logger()

_POLL_S: Final = 0.05
_DATABASE_AWAY_S: Final = 1.0
_PAGE: Final = 200


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    job_id: str
    after: int
    found: "asyncio.Future[list[Event]]"


class Waiter:
    """Tells what happens to jobs, for one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: set[_Waiting] = set()
        self._poller: asyncio.Task[None] | None = None
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="waiter")
        self.stopped = False

    async def events(self, job_id: str, after: int, timeout_s: float) -> list[Event]:
        """Return the job's next events after a sequence number, in order; none if there are none within the time.

        None, and at once, when the front stops.
        """
        if self.stopped:
            return []
        found: asyncio.Future[list[Event]] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(job_id, after, found)
        self._waiting.add(waiting)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            return await asyncio.wait_for(found, timeout_s)
        except TimeoutError:
            return []
        finally:
            self._waiting.discard(waiting)

    async def end(self, job_id: str, timeout_s: float) -> bool:
        """Wait until the job ends; return whether it did within the time."""
        loop = asyncio.get_running_loop()
        deadline, seen = loop.time() + timeout_s, 0
        while not self.stopped and (left := deadline - loop.time()) > 0:
            for event in await self.events(job_id, seen, left):
                seen = event.seq
                if event.type in FINAL_STATES:
                    return True
        return False

    async def stop(self) -> None:
        """Let go of everybody who waits. May be called twice."""
        self.stopped = True
        if self._poller is not None:
            self._poller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._poller
        for waiting in self._waiting:
            if not waiting.found.done():
                waiting.found.set_result([])
        self._reader.shutdown(wait=False)

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            pause = _POLL_S
            try:
                self._hand_out(await loop.run_in_executor(self._reader, self._read, self._cursors()))
            except UnavailableError as error:
                log.warning("events cannot be read", reason=error.message)
                pause = _DATABASE_AWAY_S
            await asyncio.sleep(pause)

    def _cursors(self) -> Mapping[str, int]:
        cursors: dict[str, int] = {}
        for waiting in self._waiting:
            cursors[waiting.job_id] = min(waiting.after, cursors.get(waiting.job_id, waiting.after))
        return cursors

    def _read(self, cursors: Mapping[str, int]) -> list[Event]:
        return self._database.read(lambda conn: event_rows.after_each(conn, cursors, _PAGE))

    def _hand_out(self, events: list[Event]) -> None:
        by_job: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            by_job[event.job_id].append(event)
        for waiting in self._waiting:
            new = [event for event in by_job[waiting.job_id] if event.seq > waiting.after]
            if new and not waiting.found.done():
                waiting.found.set_result(new)
