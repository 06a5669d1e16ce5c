"""A running attempt as its step sees it (the protocol ``shared.pipeline.Run``), and the heartbeat of its lease."""

import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog
from psycopg import Connection

from shared.artifact_stores import open_store
from shared.artifacts import ArtifactStore
from shared.db import attempts
from shared.db.jobs import Job
from shared.db.pool import Database
from shared.errors import JobCancelled, LeaseLostError, SliceOver, UnavailableError, WorkerStopping
from shared.settings import get_settings

log = structlog.get_logger()

_REPORT_EVERY_S: Final = 0.25  # progress is for people: more often only costs commits
_stopping = threading.Event()

STOP_SIGNAL: Final = signal.SIGUSR2  # billiard keeps SIGTERM of its children for itself


def ask_to_stop() -> None:
    """Let the running attempt of this process end at its next report; the job goes back to its queue."""
    _stopping.set()


class Attempt:
    """One attempt at a job. Enter it to get a folder that is removed at the end."""

    def __init__(self, database: Database, job: Job, slice_: timedelta | None = None) -> None:
        settings = get_settings()
        self._ends_at = time.monotonic() + slice_.total_seconds() if slice_ else None
        self._database = database
        self._job = job
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._cancelled = threading.Event()
        self._lost = threading.Event()
        self._reported_at = 0.0
        self._folder: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def job_id(self) -> str:
        """The job that this attempt belongs to."""
        return self._job.id

    @property
    def attempt(self) -> int:
        """The fencing token."""
        return self._job.attempt

    @property
    def actor(self) -> str:
        """Who asked for the job."""
        return self._job.actor

    @property
    def workdir(self) -> Path:
        """A fresh folder, made at the first use."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=f"{self._job.id}-{self._job.attempt}-"))
        return self._folder

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """The store that ``ARTIFACTS_URL`` names."""
        settings = get_settings()
        return open_store(settings.artifacts(), settings)

    def reading(self) -> AbstractContextManager[Connection]:
        """Open a short transaction for reading."""
        return self._database.reading()

    def staging(self) -> AbstractContextManager[Connection]:
        """Open a short transaction for writing to the attempt's staging table."""
        return self._database.transaction()

    @contextmanager
    def fenced(self) -> Iterator[Connection]:
        """Open a short transaction for writing, holding the job. Raises LeaseLostError when another attempt does."""
        with self._database.transaction() as conn:
            if not attempts.hold(conn, self.job_id, self.attempt):
                self._lost.set()
                self.check()
            yield conn

    def training_data(self) -> AbstractContextManager[Connection]:
        """Open a read-only transaction as the training role."""
        return self._database.training_data()

    def report(self, fraction: float, message: str = "", **counters: float) -> None:
        """Record progress, four times a second at most. Raises JobStopped when the attempt must end."""
        self.check()
        if self._ends_at is not None and time.monotonic() > self._ends_at:
            raise SliceOver(f"attempt {self.attempt} of {self.job_id} has used its slice")
        now = time.monotonic()
        if now - self._reported_at < _REPORT_EVERY_S and fraction < 1:
            return
        self._reported_at = now
        try:
            with self._database.transaction() as conn:
                row = attempts.report(
                    conn, self.job_id, self.attempt,
                    fraction=min(max(fraction, 0.0), 1.0), message=message, counters=dict(counters), lease=self._lease,
                )  # fmt: skip
        except UnavailableError as error:  # hours of training do not end because progress cannot be shown
            log.warning("could not report progress", reason=error.message)
            return
        self._note(None if row is None else row.cancel_requested)
        self.check()

    def check(self) -> None:
        """Raise LeaseLostError, JobCancelled or WorkerStopping if the attempt must end."""
        if self._lost.is_set():
            raise LeaseLostError(f"attempt {self.attempt} of {self.job_id} lost its lease")
        if self._cancelled.is_set():
            raise JobCancelled(f"{self.job_id} was cancelled")
        if _stopping.is_set():
            raise WorkerStopping(f"the worker of {self.job_id} is stopping")

    def renew(self) -> None:
        """Renew the lease (the heartbeat does), and learn whether the job was cancelled or lost."""
        with self._database.transaction() as conn:
            self._note(attempts.renew(conn, self.job_id, self.attempt, self._lease))

    def _note(self, cancel_requested: bool | None) -> None:
        if cancel_requested is None:
            self._lost.set()
        elif cancel_requested:
            self._cancelled.set()


class Heart:
    """One thread a process, which renews the lease of whatever attempt runs. Short jobs end before its first beat."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._attempt: Attempt | None = None
        self._since = 0.0
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    @contextmanager
    def watch(self, attempt: Attempt) -> Iterator[None]:
        """Keep this attempt's lease while the block runs."""
        self._since, self._attempt = time.monotonic(), attempt
        try:
            yield
        finally:
            self._attempt = None

    def _run(self) -> None:
        pause = threading.Event()
        # Half the interval: an attempt that started just after a look is seen in time.
        while not pause.wait(self._every_s / 2):
            attempt = self._attempt
            if attempt is None or time.monotonic() - self._since < self._every_s / 2:
                continue
            try:
                attempt.renew()
            except UnavailableError as error:  # the lease may outlive a short absence of the database
                log.warning("could not renew the lease", job=attempt.job_id, reason=error.message)


@lru_cache(maxsize=1)
def heart() -> Heart:
    """Return this process's heartbeat, started at the first job: after the fork, never before."""
    return Heart(get_settings().heartbeat_seconds)


def listen_for_stop() -> None:
    """In a prefork worker's child: let ``STOP_SIGNAL`` from its parent ask the running step to stop."""
    signal.signal(STOP_SIGNAL, lambda *_: ask_to_stop())
