"""Writes answers down in bulk, off the answer's path: nobody waits for the database to be told what was predicted.

Answers gather for a moment and go into one transaction. While the database is away they are kept and tried again; a
normal stop writes what is left. Beyond a bound they are dropped, counted and logged: a front that runs out of memory
would lose more.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

import psycopg
import structlog

from shared.db import predictions, queries
from shared.db.pool import Database
from shared.db.predictions import Prediction
from shared.db.queries import Query
from shared.errors import UnavailableError

log = structlog.get_logger()

_GATHER_S: Final = 0.05
_AT_ONCE: Final = 500
_CAPACITY: Final = 100_000  # some 100 MB of short queries: half a minute of a front at full speed without a database
_FIRST_RETRY_S: Final = 0.2
_LAST_RETRY_S: Final = 2.0
_STOP_PATIENCE_S: Final = 10.0
_REFUSALS: Final = (psycopg.Error, ValueError, TypeError)  # by the database, or on the way into its types


@dataclass(frozen=True, slots=True)
class Record:
    """An answer to be written: the prediction, and the query that it belongs to (the router's only)."""

    prediction: Prediction
    query: Query | None = None


class Recorder:
    """Takes records from the event loop that it was started in, and writes them from one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unwritten: deque[Record] = deque()
        self._ids: set[str] = set()
        self._dropped = 0
        self._came = asyncio.Event()
        self._wrote = asyncio.Condition()
        self._stopping = asyncio.Event()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._task: asyncio.Task[None] | None = None
        self.answered: Counter[tuple[str, str]] = Counter()
        """Answers given since the start, by pipeline and path: for ``/metrics``."""

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what is left, for ten seconds at most, and stop."""
        self._stopping.set()
        self._came.set()
        if self._task is not None:
            try:
                await asyncio.wait_for(self._task, _STOP_PATIENCE_S)
            except TimeoutError:
                log.warning("answers not recorded", count=len(self._unwritten))
        self._writer.shutdown()

    def record(self, record: Record) -> None:
        """Take a record to be written; returns at once."""
        self.count(record.prediction)
        if len(self._unwritten) >= _CAPACITY:
            self._dropped += 1
            return
        self._unwritten.append(record)
        self._ids.add(record.prediction.id)
        self._came.set()

    def count(self, prediction: Prediction) -> None:
        """Count an answer that its caller has written by itself."""
        self.answered[prediction.pipeline, prediction.path] += 1

    async def wait_recorded(self, prediction_id: str, timeout_s: float = 5.0) -> None:
        """Return once a prediction that this process gave is written, or at once when none is waiting.

        Raises UnavailableError when that takes too long.
        """
        if prediction_id not in self._ids:
            return
        try:
            async with asyncio.timeout(timeout_s), self._wrote:
                await self._wrote.wait_for(lambda: prediction_id not in self._ids)
        except TimeoutError:
            raise UnavailableError(
                "the answer is not yet written down", advice="the database is slow or away: try again soon"
            ) from None

    async def _run(self) -> None:
        while self._unwritten or not self._stopping.is_set():
            await self._came.wait()
            await self._gather()
            self._came.clear()
            while self._unwritten:
                await self._write_some()

    async def _gather(self) -> None:
        """Wait a moment for more, unless it is time to stop."""
        try:
            await asyncio.wait_for(self._stopping.wait(), _GATHER_S)
        except TimeoutError:
            return

    async def _write_some(self) -> None:
        batch = list(islice(self._unwritten, _AT_ONCE))
        pause = _FIRST_RETRY_S
        while not await asyncio.get_running_loop().run_in_executor(self._writer, self._write, batch):
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_RETRY_S)
        if self._dropped:
            log.warning("answers dropped: too many unwritten", count=self._dropped)
            self._dropped = 0
        async with self._wrote:
            for record in batch:
                self._unwritten.popleft()
                self._ids.discard(record.prediction.id)
            self._wrote.notify_all()

    # --- in the writer's thread -------------------------------------------------------------------------------------

    def _write(self, batch: Sequence[Record]) -> bool:
        """Write a batch; False means that the database is away."""
        try:
            try:
                self._insert(batch)
            except _REFUSALS as error:  # logged by type alone: the database's message may quote a query
                log.warning("records refused: writing one by one", count=len(batch), error=type(error).__name__)
                self._write_singly(batch)
        except UnavailableError as error:
            log.warning("answers wait to be recorded", count=len(self._unwritten), reason=error.message)
            return False
        return True

    def _write_singly(self, batch: Iterable[Record]) -> None:
        """Write record by record, so that one which the database refuses costs no other."""
        for record in batch:
            try:
                self._insert([record])
            except _REFUSALS as error:
                log.warning("record refused", prediction=record.prediction.id, error=type(error).__name__)

    def _insert(self, batch: Sequence[Record]) -> None:
        with self._database.transaction() as conn:
            predictions.insert(conn, [r.prediction for r in batch])
            queries.insert(conn, [r.query for r in batch if r.query is not None])
