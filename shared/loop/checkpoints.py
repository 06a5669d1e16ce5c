"""Checkpoints of long trainings: bytes in a wing of the artifact store, and in the ledger which is a job's last.

The blob is written first, then the row that names it, in a transaction that holds the job: an attempt that was taken
over cannot put back what its successor has reached. Each blob begins with its job and attempt, so that no two jobs
share one, and deleting what a job no longer needs harms no other.
"""

import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from shared.artifacts import FileRef, TransientStore
from shared.db import checkpoints
from shared.errors import CorruptError, NotFoundError, UnavailableError
from shared.pipeline import Run

log = structlog.get_logger()

WING: Final = "checkpoints"

_FAILED_FOR: Final = timedelta(days=7)  # so long a failed training may be tried again from its checkpoint
_WRITING: Final = timedelta(hours=1)  # a younger blob without a row may be one that is about to get it
_FILE: Final = "checkpoint"
_BLOCK: Final = 1 << 20


class JobCheckpoints:
    """The checkpoints of one attempt's job. Implements ``shared.training.Checkpoints``."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._store: TransientStore = run.artifacts.wing(WING)
        self._head = f"{run.job_id} {run.attempt}\n".encode()

    def keep(self, file: Path) -> None:
        """Store a file in the place of the one before it. Raises LeaseLostError when another attempt has taken over."""
        with file.open("rb") as source, self._store.writer() as writer:
            writer.write(self._head)
            shutil.copyfileobj(source, writer, _BLOCK)
        with self._run.fenced() as conn:
            before = checkpoints.put(conn, self._run.job_id, self._run.attempt, writer.ref)
        if before and before != writer.ref:
            self._delete(before.sha256)

    def last(self, folder: Path) -> Path | None:
        """Fetch what was kept last into the folder. What cannot be read is as good as nothing: None."""
        with self._run.reading() as conn:
            ref = checkpoints.get(conn, self._run.job_id)
        if ref is None:
            return None
        try:
            return self._fetch(ref, folder / _FILE)
        except (NotFoundError, CorruptError) as error:
            log.warning("the checkpoint is gone: training begins anew", reason=error.message)
            return None

    def tidy(self) -> None:
        """Delete what ended trainings have left behind."""
        oldest = datetime.now(UTC) - _WRITING
        try:
            with self._run.fenced() as conn:
                checkpoints.drop_ended(conn, _FAILED_FOR)
                wanted = checkpoints.wanted(conn)
            for blob in self._store.blobs():
                if blob.sha256 not in wanted and blob.written_at < oldest:
                    self._delete(blob.sha256)
        except UnavailableError as error:  # the next training tidies up
            log.warning("old checkpoints not deleted", reason=error.message)

    def _fetch(self, ref: FileRef, target: Path) -> Path:
        with self._store.open(ref) as source, target.open("wb") as file:
            source.readline()
            shutil.copyfileobj(source, file, _BLOCK)
        return target

    def _delete(self, sha256: str) -> None:
        with suppress(UnavailableError):
            self._store.delete(sha256)
