"""The sweep over all fine-tunes that are under way at the provider: lists of a hundred, never one question a job.

It notes what the provider says, finds the jobs of unclear creates and of runs that have two, cancels what was cancelled
here, stores events with the requests that are left over, and wakes the jobs whose runs have ended. Losing a sweep, or
all of them, changes nothing: each job asks for itself in the end.

Transactions are short and none is open while the provider is asked; jobs are never locked after runs.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final, TypeVar

import structlog

from shared.db import provider_creates as creates
from shared.db import provider_jobs as rows
from shared.db import provider_sweep
from shared.db.pool import Database
from shared.db.provider_sweep import OpenRun, Woken
from shared.errors import RefusedError, UnavailableError
from shared.llm import hearing, runs
from shared.llm.fine_tunes import ENDED, PAGE, FineTunes, Rejected, RemoteJob
from shared.llm.policy import LifecyclePolicy

log = structlog.get_logger()

T = TypeVar("T")

_LONGEST_S: Final = 15.0  # the queue ends a task after 25 s
_SLACK: Final = timedelta(hours=1)  # between our clock and the provider's
_PATIENCE: Final = 3
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_LISTED: Final = frozenset({"creating", "create_unknown", "polling"})
_ABOUT_TO_WAIT: Final = frozenset({"queued", "running"})


@dataclass(kw_only=True)
class Swept:
    """What a sweep did. ``complete``: the lists were read as far back as the oldest open run."""

    open: int = 0
    requests: int = 0
    changed: int = 0
    events: int = 0
    complete: bool = False
    woken: list[Woken] = field(default_factory=list)


class _Enough(Exception):  # noqa: N818  (no fault)
    """The requests of this sweep, or its time, are used up."""


class Sweep:
    """One sweep over one provider. ``remote`` is called when the first request is needed, if any is."""

    def __init__(
        self, database: Database, remote: Callable[[], FineTunes], server: str, policy: LifecyclePolicy
    ) -> None:
        self._database = database
        self._make_remote = remote
        self._server = server
        self._policy = policy
        self._ends_at = time.monotonic() + _LONGEST_S
        self._swept = Swept()
        self._changed: set[str] = set()

    def run(self) -> Swept:
        """Sweep once. Raises UnavailableError when the database is away; a fault of the provider ends the sweep."""
        with self._database.transaction() as conn:
            provider_sweep.note_cancelled(conn, self._server)
        with self._database.reading() as conn:
            open_runs = provider_sweep.open_runs(conn, self._server)
        self._swept.open = len(open_runs)
        try:
            self._sweep(open_runs)
        except _Enough:
            pass
        except (RefusedError, UnavailableError) as error:
            log.warning("the sweep of fine-tunes was cut short", reason=error.message)
        with self._database.transaction() as conn:
            self._swept.woken = provider_sweep.wake_ended(conn, self._server)
        return self._swept

    def _sweep(self, open_runs: Sequence[OpenRun]) -> None:
        for run in open_runs:
            if run.cancel_requested and run.state not in _LISTED:
                self._end_cancelled(run)
        listed = [run for run in open_runs if run.state in _LISTED]
        if not listed:
            return
        unclear = {run.id: run for run in listed if run.provider_job_id is None}
        found = self._list(listed)
        for run_id, jobs in found.items():
            if run_id in unclear:
                self._adopt(unclear[run_id], jobs)
        for run in listed:
            if run.cancel_requested:
                self._cancel(run, found.get(run.id, []))
        self._hear(listed)

    @cached_property
    def _remote(self) -> FineTunes:
        return self._make_remote()

    def _ask(self, question: Callable[[FineTunes], T]) -> T:
        if self._swept.requests >= self._policy.sweep_requests or time.monotonic() > self._ends_at:
            raise _Enough
        self._swept.requests += 1
        return question(self._remote)

    # --- lists ------------------------------------------------------------------------------------------------------

    def _list(self, listed: Sequence[OpenRun]) -> dict[str, list[RemoteJob]]:
        """Read the lists; note what they say of jobs that are known, and return the others by their runs.

        A page less than there are requests, so that something is left for what comes to light.
        """
        known = {run.provider_job_id: run for run in listed if run.provider_job_id}
        by_run = {run.id: run for run in listed}
        by_file = {run.file_id: run.id for run in listed if run.file_id}
        begins = min(run.created_at for run in listed) - _SLACK
        found: dict[str, list[RemoteJob]] = {}
        unseen, after = len(known), None
        for _ in range(max(1, self._policy.sweep_requests - 1)):
            page, more = self._ask(lambda remote, after=after: remote.page(after, PAGE))  # type: ignore[misc]
            ours = [(known[job.id], job) for job in page if job.id in known]
            self._note(ours)
            unseen -= len(ours)
            for job in page:
                run_id = job.run_id if job.run_id in by_run else by_file.get(job.training_file)
                if run_id and job.id not in known:
                    found.setdefault(run_id, []).append(job)
            if not more or not page or page[-1].created_at < begins:
                self._swept.complete = True
                break
            after = page[-1].id
        self._refuse_second(by_run, found)
        return {run_id: sorted(jobs, key=lambda job: (job.created_at, job.id)) for run_id, jobs in found.items()}

    def _note(self, seen: Sequence[tuple[OpenRun, RemoteJob]]) -> None:
        under_way = [(run.id, job.status) for run, job in seen if runs.after(job) == "polling"]
        if under_way:
            with self._database.transaction() as conn:
                self._changed.update(provider_sweep.seen_under_way(conn, under_way))
        for run, job in seen:
            if runs.after(job) != "polling":
                self._write(run, job)
        self._swept.changed = len(self._changed)

    def _write(self, run: OpenRun, job: RemoteJob) -> None:
        with self._database.transaction() as conn:
            runs.note(conn, rows.get(conn, run.id, lock=True), job)
        self._changed.add(run.id)

    def _refuse_second(self, by_run: dict[str, OpenRun], found: dict[str, list[RemoteJob]]) -> None:
        """Cancel jobs that came to light beside the one that counts."""
        for run_id, jobs in found.items():
            kept = by_run[run_id].provider_job_id
            others = [job for job in jobs if job.status not in ENDED]
            if kept is None or not others:
                continue
            with self._database.transaction() as conn:
                runs.alert_twice(conn, rows.get(conn, run_id), kept, others)
            self._cancel_all(others)

    # --- what an unclear create came to, and cancels ------------------------------------------------------------------

    def _adopt(self, run: OpenRun, jobs: Sequence[RemoteJob]) -> None:
        chosen, others = runs.choose(jobs)
        with self._database.transaction() as conn:
            present = rows.get(conn, run.id, lock=True)
            if others:
                runs.alert_twice(conn, present, chosen.id, others)
            adopted = creates.adopt(conn, run.id, chosen.id)
            if adopted:
                runs.note(conn, adopted, chosen)
        self._changed.add(run.id)
        self._cancel_all(others)

    def _cancel_all(self, jobs: Sequence[RemoteJob]) -> None:
        for job in jobs:
            try:
                self._ask(lambda remote, job=job: remote.cancel(job.id))  # type: ignore[misc]
            except Rejected:  # it has ended meanwhile
                log.warning("a second fine-tune could not be cancelled", provider_job=job.id)

    def _cancel(self, run: OpenRun, found: Sequence[RemoteJob]) -> None:
        """Cancel at the provider what was cancelled here; when it is too late, its end stands as it is."""
        job_id = run.provider_job_id or (runs.choose(found)[0].id if found else None)
        if job_id is None:
            if self._swept.complete:
                self._count_empty(run)
            return
        try:
            job = self._ask(lambda remote: remote.cancel(job_id))
        except Rejected:
            job = self._ask(lambda remote: remote.retrieve(job_id))
        self._write(run, job)

    def _count_empty(self, run: OpenRun) -> None:
        """Look for longer than before a second create: nobody waits for it, and what is missed is billed."""
        policy = self._policy
        with self._database.transaction() as conn:
            settled = creates.empty_list_of_cancelled(
                conn, run.id, lists=_PATIENCE * policy.empty_lists, settle=_PATIENCE * policy.settle
            )
        if settled:
            self._end_cancelled(run)

    def _end_cancelled(self, run: OpenRun) -> None:
        with self._database.transaction() as conn:
            present = rows.get(conn, run.id, lock=True)
            if present.cancel_requested and present.provider_job_id is None:
                error = RefusedError("cancelled before the provider had it", code="cancelled")
                runs.give_up(conn, present, "cancelled", error)

    # --- events -------------------------------------------------------------------------------------------------------

    def _hear(self, listed: Sequence[OpenRun]) -> None:
        """Ask for events with the requests that are left: of what has changed, then of who was asked longest ago.

        An event is shown when it is stored, on a job that waits. So it is not asked for while the job is about to.
        """
        polled = [
            run
            for run in listed
            if run.provider_job_id and not run.cancel_requested and run.driver_state not in _ABOUT_TO_WAIT
        ]
        polled.sort(key=lambda run: (run.id not in self._changed, run.events_at or _NEVER, run.id))
        for run in polled:
            events = self._ask(lambda remote, run=run: remote.events(run.provider_job_id))  # type: ignore[misc]
            with self._database.transaction() as conn:
                new = hearing.store(conn, run.id, events)
            self._swept.events += len(new)
            if run.job_id and new:
                with self._database.transaction() as conn:
                    hearing.show(conn, run.job_id, new)
