"""A fine-tune's life, driven so that it is paid for once: preflight → upload → create → poll → its end.

What is written is committed before what it announces is done. Who finds ``creating`` must suspect that the create was
sent: it is looked for by the run's id, and sent again only when several lists over some minutes did not show it. An
attempt does what can be done now and then waits: no worker sleeps.

What if the process dies? Before the commit of ``creating``: nothing was paid, at most a file is uploaded twice. After
it: the job is looked for. After the answer: it is found by its id. Two attempts at once: the fence lets one write.
"""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import Final

import structlog
from psycopg import Connection

from shared.db import provider_creates as creates
from shared.db import provider_jobs as rows
from shared.db.jobs import get as get_job
from shared.db.provider_jobs import ProviderJob
from shared.errors import RefusedError, UnavailableError
from shared.files import ResultFiles
from shared.llm import budget, hearing, runs
from shared.llm.budget import Cost
from shared.llm.fine_tunes import (
    Ambiguous,
    Busy,
    Closed,
    FineTunes,
    Rejected,
    RemoteJob,
    Unreachable,
)
from shared.llm.policy import LifecyclePolicy
from shared.llm.sunset import require_open_now
from shared.llm.wanted import Wanted, create_request, training_file_of
from shared.pipeline import Run, Wait

log = structlog.get_logger()

_NOT_FOUND: Final = 404
_TRIES: Final = 3


class Lifecycle:
    """Drives the runs of one job at one provider."""

    def __init__(self, run: Run, remote: FineTunes, server: str, policy: LifecyclePolicy) -> None:
        self._run = run
        self._remote = remote
        self._server = server
        self._policy = policy
        self._states: dict[str, Callable[[ProviderJob], ProviderJob | Wait]] = {
            "preflight": self._reserve,
            "upload": self._upload_or_create,
            "creating": self._suspect,
            "create_unknown": self._look,
            "polling": self._poll,
        }

    # --- the run of this job ----------------------------------------------------------------------------------------

    def mine(self) -> ProviderJob | None:
        """Return the run that an earlier attempt of this job has begun: go on with it, whatever became of it."""
        with self._run.reading() as conn:
            return rows.of_job(conn, self._run.job_id)

    def begin(self, wanted: Wanted) -> ProviderJob | Wait:
        """Begin a run, or join the one that stands for the same request: another job may have begun or finished it."""
        new = wanted.new_run(self._run.job_id)
        for _ in range(_TRIES):
            with self._run.fenced() as conn:
                begun = rows.insert(conn, new) or self._join(conn, new.request_hash)
            if begun is not None:
                return begun
        return Wait(after=self._policy.busy, reason="another job has just ended the same fine-tune")

    def _join(self, conn: Connection, request_hash: str) -> ProviderJob | Wait | None:
        other = rows.alive_of_request(conn, request_hash)
        if other is None or other.state == "succeeded" or other.job_id == self._run.job_id:
            return other
        driver = get_job(conn, other.job_id) if other.job_id else None
        if (driver is None or driver.is_final) and not other.cancel_requested:
            return rows.take_over(conn, other.id, job_id=self._run.job_id, present=other.job_id)
        return Wait(after=self._policy.look_again, reason=f"the same fine-tune is under way for {other.job_id}")

    # --- its life ---------------------------------------------------------------------------------------------------

    def advance(self, run: ProviderJob) -> ProviderJob | Wait:
        """Do all that can be done now. Returns the run at its end, or what it waits for.

        Raises RefusedError (budget, closed or rejected) after the run's end has been written, and LeaseLostError.
        """
        while run.is_open:
            if run.server != self._server:
                return Wait(
                    after=self._policy.backstop,
                    reason=f"the fine-tune is at {run.server}: set OPENAI_BASE_URL to it again, or cancel the job",
                )
            if run.cancel_requested:
                return Wait(after=self._policy.look_again, reason="the fine-tune is being cancelled")
            try:
                outcome = self._states[run.state](run)
            except Busy as error:
                seconds = self._policy.busy if error.retry_after is None else timedelta(seconds=error.retry_after)
                return Wait(after=min(seconds, self._policy.longest_busy), reason=error.message)
            except (Unreachable, Ambiguous) as error:
                return Wait(after=self._policy.busy, reason=error.message)
            if isinstance(outcome, Wait):
                return outcome
            run = outcome
        self._hear(run)
        return run

    def _hear(self, run: ProviderJob) -> None:
        """Store what the provider has told about a job on its way. For people: nothing hangs on it."""
        if run.provider_job_id is None or run.server != self._server:
            return
        try:
            events = self._remote.events(run.provider_job_id)
        except (RefusedError, UnavailableError) as error:
            log.info("events unknown", run=run.id, reason=error.message)
            return
        with self._run.fenced() as conn:
            new = hearing.store(conn, run.id, events)
        for event in [e for e in new if e.step is not None][-1:]:
            self._run.report(hearing.fraction(event) or 0.0, hearing.sentence(event), **hearing.counters(event))

    def _write(self, run: ProviderJob, change: Callable[[Connection], ProviderJob | None]) -> ProviderJob:
        """Write while this attempt holds the job; where somebody else was first, go on from what is there."""
        with self._run.fenced() as conn:
            return change(conn) or rows.get(conn, run.id)

    def _refuse(self, run: ProviderJob, state: rows.RunState, error: RefusedError) -> RefusedError:
        self._write(run, lambda conn: runs.give_up(conn, run, state, error))
        return error

    def _reserve(self, run: ProviderJob) -> ProviderJob:
        cost = Cost(
            provider=run.provider, model=run.base_model, purpose="fine-tune", usd=run.estimated_usd,
            tokens_in=run.tokens, job_id=run.job_id,
        )  # fmt: skip

        def write(conn: Connection) -> ProviderJob | None:
            require_open_now(conn, run.provider, run.base_model)
            budget.reserve(conn, run.id, cost)
            return creates.reserved(conn, run.id)

        try:
            return self._write(run, write)
        except Closed as error:
            raise self._refuse(run, "provider_closed", error) from None
        except RefusedError as error:
            raise self._refuse(run, "failed", error) from None

    def _upload_or_create(self, run: ProviderJob) -> ProviderJob | Wait:
        found = self._remote.find(run.id, run.file_id) if run.file_id else []
        try:
            if found:
                return self._adopt(run, found)
            return self._create(run) if run.file_id else self._upload(run)
        except Closed as error:
            raise self._refuse(run, "provider_closed", error) from None
        except Rejected as error:
            raise self._refuse(run, "failed", error) from None

    def _upload(self, run: ProviderJob) -> ProviderJob:
        folder = self._run.workdir / "upload"
        folder.mkdir(exist_ok=True)
        files = ResultFiles.model_validate(run.files)
        self._run.artifacts.fetch(files.manifest, folder)
        with (folder / training_file_of(files)).open("rb") as file:
            file_id = self._remote.upload(file, f"{run.id}.jsonl")
        return self._write(run, lambda conn: creates.uploaded(conn, run.id, file_id))

    def _create(self, run: ProviderJob) -> ProviderJob | Wait:
        """Send the one request that costs money. What is committed before says that it may have been sent."""
        started = monotonic()
        with self._run.fenced() as conn:
            announced = creates.creating(conn, run.id)
        if announced is None:
            with self._run.reading() as conn:
                return rows.get(conn, run.id)
        if monotonic() - started > self._policy.request_timeout.total_seconds():
            # Frozen between commit and request: others may already act on what they see. Nothing was sent, so go back.
            return self._write(run, lambda conn: creates.not_created(conn, run.id))
        try:
            remote = self._remote.create(create_request(run))
        except Busy:
            self._write(run, lambda conn: creates.not_created(conn, run.id))
            raise
        except Ambiguous as error:
            log.warning("create is unclear", run=run.id, reason=error.message)
            self._write(run, lambda conn: creates.create_unknown(conn, run.id))
            return Wait(after=self._policy.look_again, reason=error.message)
        log.info("fine-tune started", run=run.id, provider_job=remote.id)
        return self._adopt(run, [remote])

    def _suspect(self, run: ProviderJob) -> ProviderJob:
        """Take up a create whose attempt has died between announcing it and writing down what came of it."""
        return self._write(run, lambda conn: creates.create_unknown(conn, run.id))

    def _look(self, run: ProviderJob) -> ProviderJob | Wait:
        """Look for the job of an unclear create."""
        policy = self._policy
        try:
            found = self._remote.find(run.id, run.file_id)
        except (UnavailableError, Rejected) as error:
            return self._not_shown(run, error.message)
        if found:
            return self._adopt(run, found)

        def count(conn: Connection) -> ProviderJob | None:
            counted = creates.empty_list(
                conn, run.id, lists=policy.empty_lists, settle=policy.settle, creates=policy.creates
            )
            if counted and counted.parked_at:
                runs.alert_parked(conn, counted)
            return counted

        looked = self._write(run, count)
        if looked.state != "create_unknown":
            return looked
        if looked.parked_at:
            return Wait(after=policy.parked, reason=f"waits for a person: tuneyard llm resolve {run.id}")
        return Wait(after=policy.look_again, reason="looks whether the provider has started the fine-tune")

    def _not_shown(self, run: ProviderJob, why: str) -> ProviderJob | Wait:
        """Ask again soon when the provider lists nothing at all, and tell a person when that lasts."""

        def write(conn: Connection) -> ProviderJob | None:
            parked = creates.park(conn, run.id, after=self._policy.backstop)
            if parked:
                runs.alert_parked(conn, parked)
            return parked

        self._write(run, write)
        return Wait(after=self._policy.look_again, reason=why)

    def _adopt(self, run: ProviderJob, found: list[RemoteJob]) -> ProviderJob:
        chosen, others = runs.choose(found, run.provider_job_id)

        def write(conn: Connection) -> ProviderJob | None:
            if others:
                runs.alert_twice(conn, run, chosen.id, others)
            adopted = creates.adopt(conn, run.id, chosen.id)
            return runs.note(conn, adopted, chosen) if adopted else None

        adopted = self._write(run, write)
        self._cancel(others)
        return adopted

    def _cancel(self, others: list[RemoteJob]) -> None:
        for job in others:
            try:
                self._remote.cancel(job.id)
            except Rejected:  # it has ended meanwhile
                log.warning("a second fine-tune could not be cancelled", provider_job=job.id)

    def _poll(self, run: ProviderJob) -> ProviderJob | Wait:
        if run.provider_job_id is None:
            raise TypeError("a run is polled that has no job")
        if run.creates > 1:  # a create that was unclear may show up late
            late = self._remote.find(run.id, run.file_id)
            if late and (others := runs.choose(late, run.provider_job_id)[1]):
                self._adopt(run, late)
                log.warning("a second fine-tune was cancelled", run=run.id, count=len(others))
        try:
            remote = self._remote.retrieve(run.provider_job_id)
        except Rejected as error:
            if error.status != _NOT_FOUND:
                raise
            return Wait(after=self._policy.backstop, reason="the provider does not know the fine-tune: run llm doctor")
        seen = self._write(run, lambda conn: runs.note(conn, run, remote))
        if seen.is_open:
            self._hear(seen)
            return Wait(after=self._policy.backstop, reason=f"the provider says: {remote.status}"[:100])
        return seen
