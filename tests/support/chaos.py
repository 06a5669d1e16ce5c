"""Fine-tunes whose workers die anywhere and whose provider fails in any way, from one seed each.

Seeds count through every moment of a life and every fault of its create; whatever else goes wrong then is up to dice.

An attempt is the product's own: the real ledger, the real attempt, the real client over a real socket. It dies by an
exception that nothing in the product catches, at a moment before or after a request or a commit; nothing of it runs
afterwards, and its job is taken back as the sweep takes back jobs of dead workers.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO, ParamSpec, Self, TypeVar

from psycopg import Connection

from shared import ids, jobs
from shared.artifact_stores import open_store
from shared.artifacts import ArtifactStore
from shared.db import attempts
from shared.db.jobs import Job
from shared.db.pool import Database
from shared.db.provider_jobs import ProviderJob, list_runs
from shared.errors import RefusedError
from shared.files import ResultFiles, publish_files
from shared.llm.connection import Provider
from shared.llm.fine_tunes import CreateRequest, FineTunes, RemoteEvent, RemoteJob
from shared.llm.lifecycle import Lifecycle
from shared.llm.openai_fine_tunes import OpenAIFineTunes
from shared.llm.policy import LifecyclePolicy, llm_policy
from shared.llm.wanted import TRAINING_FILE, Wanted
from shared.loop.providers import Sweep
from shared.pipeline import Wait
from shared.settings import get_settings
from tests.support.fault_provider import Fault, FaultProvider
from workers.attempt import Attempt

P = ParamSpec("P")
T = TypeVar("T")

DATASET = "ds_" + "0" * 32
SERVER = "chaos"
LEASE = timedelta(seconds=30)
QUICK: LifecyclePolicy = llm_policy().life_cycle.model_copy(
    update={
        "settle": timedelta(milliseconds=20),
        "empty_lists": 2,
        "look_again": timedelta(milliseconds=1),
        "busy": timedelta(milliseconds=1),
    }
)
_CHEAP = (
    Fault.BUSY, Fault.ERROR_BEFORE, Fault.ERROR_AFTER, Fault.DROP_BEFORE, Fault.DROP_AFTER, Fault.CUT_AFTER,
    Fault.GARBAGE_AFTER, Fault.TIMEOUT_AFTER, Fault.CONFLICT_BEFORE,
)  # fmt: skip
_FINAL = (Fault.REJECTED, Fault.UNAUTHORIZED, Fault.CLOSED)
_TWINS = {Fault.SLOW_BEFORE: Fault.DROP_BEFORE, Fault.SLOW_AFTER: Fault.DROP_AFTER}
_FAULTS = tuple(Fault)
_MOMENTS = 24
_OPERATIONS = ("upload", "create", "create", "create", "list", "retrieve", "events", "cancel")
_STATUSES = (*["succeeded"] * 7, "failed", "safety", "paused")
_MOST_ATTEMPTS = 40
_CANCELLED = 0.08


class Crash(BaseException):
    """The worker dies here."""


class Countdown:
    """Dies at its last moment; without a number never. ``moments`` counts those that have passed."""

    def __init__(self, left: int | None) -> None:
        self._left = left
        self.moments = 0

    def tick(self) -> None:
        self.moments += 1
        if self.moments == self._left:
            raise Crash


class DyingRun(Attempt):
    """An attempt that may die before, in and after each of its commits."""

    def __init__(self, database: Database, job: Job, countdown: Countdown) -> None:
        super().__init__(database, job)
        self._countdown = countdown

    @contextmanager
    def fenced(self) -> Iterator[Connection]:
        self._countdown.tick()
        with super().fenced() as conn:
            yield conn
            self._countdown.tick()
        self._countdown.tick()


class DyingRemote:
    """A provider's client that may die before and after each of its requests."""

    def __init__(self, remote: FineTunes, countdown: Countdown) -> None:
        self._remote = remote
        self._countdown = countdown

    def upload(self, file: BinaryIO, name: str) -> str:
        return self._around(self._remote.upload, file, name)

    def create(self, request: CreateRequest) -> RemoteJob:
        return self._around(self._remote.create, request)

    def find(self, run_id: str, file_id: str | None = None) -> list[RemoteJob]:
        return self._around(self._remote.find, run_id, file_id)

    def page(self, after: str | None = None, limit: int = 100) -> tuple[list[RemoteJob], bool]:
        return self._around(self._remote.page, after, limit)

    def retrieve(self, job_id: str) -> RemoteJob:
        return self._around(self._remote.retrieve, job_id)

    def cancel(self, job_id: str) -> RemoteJob:
        return self._around(self._remote.cancel, job_id)

    def events(self, job_id: str, after: str | None = None, limit: int = 100) -> list[RemoteEvent]:
        return self._around(self._remote.events, job_id, after, limit)

    def _around(self, call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        self._countdown.tick()
        answer = call(*arguments, **options)
        self._countdown.tick()
        return answer


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What a seed came to."""

    run: ProviderJob
    billed: list[str]
    accepted: int
    attempts: int
    crashes: int
    job: Job


class Chaos:
    """A database, a provider, and one client to it. Not thread-safe."""

    def __init__(self, database: Database, provider: FaultProvider, *, timeout_s: float = 0.1) -> None:
        self.database = database
        self.provider = provider
        self.store: ArtifactStore = open_store(get_settings().artifacts(), get_settings())
        self.files: ResultFiles = publish_files(self.store, {TRAINING_FILE: b'{"messages":[]}\n' * 10})
        server = Provider(name=SERVER, base_url=provider.url, api_key="any")
        short = timedelta(seconds=timeout_s)
        self.remote = OpenAIFineTunes(server, timeout=short, upload_timeout=short)
        with database.transaction() as conn:
            conn.execute(
                "INSERT INTO datasets (id, pipeline, surface, manifest, row_count, split_counts, seed)"
                " VALUES (%s, 'chaos', 'default', '', 0, '{}', 1) ON CONFLICT DO NOTHING",
                [DATASET],
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.remote.__exit__(None, None, None)

    # --- pieces -------------------------------------------------------------------------------------------------

    def wanted(self, seed: int) -> Wanted:
        return Wanted(
            pipeline="chaos", surface="default", dataset_id=DATASET, provider="127.0.0.1", server=SERVER,
            base_model="gpt-6-mini", method="supervised", suffix="chaos", seed=seed, hyperparameters={},
            files=self.files, file_sha256="0" * 64, row_count=10, tokens=100, estimated_usd=0.001,
        )  # fmt: skip

    def new_job(self) -> str:
        new = jobs.NewJob(
            id=ids.new_id(ids.JOB),
            kind="chaos.finetune",
            queue="finetune",
            params=b"{}",
            actor="tester",
            max_attempts=3,
        )
        with self.database.transaction() as conn:
            jobs.submit(conn, [new])
        return new.id

    def claim(self, job_id: str) -> Job:
        with self.database.statement() as conn:  # a job that rests here is due at once
            job = attempts.claim(conn, job_id, worker="chaos", lease=LEASE)
        assert job, "the job could not be claimed"
        return job

    def attempt(self, job: Job, wanted: Wanted, countdown: Countdown) -> ProviderJob | Wait:
        """Let one attempt do what it can. Raises Crash, or what the life cycle raises."""
        with DyingRun(self.database, job, countdown) as run:
            cycle = Lifecycle(run, DyingRemote(self.remote, countdown), SERVER, QUICK)
            begun = cycle.mine() or cycle.begin(wanted)
            return begun if isinstance(begun, Wait) else cycle.advance(begun)

    def rest(self, job: Job, *, crashed: bool) -> None:
        """Put a job back that waits, or whose worker has died."""
        with self.database.statement() as conn:
            if crashed:
                conn.execute(
                    "UPDATE jobs SET state = 'queued', lease_until = NULL, worker = NULL WHERE id = %s", [job.id]
                )
            else:
                attempts.wait(conn, job.id, job.attempt, after=timedelta(0), reason="")

    def sweep(self, countdown: Countdown) -> None:
        Sweep(self.database, lambda: DyingRemote(self.remote, countdown), SERVER, QUICK).run()

    def run_of(self, job_id: str) -> ProviderJob | None:
        with self.database.statement() as conn:
            return next((run for run in list_runs(conn, limit=2) if run.job_id == job_id), None)

    # --- one seed -----------------------------------------------------------------------------------------------

    def live(self, seed: int) -> Ending:
        """Go through one fine-tune's life as the seed decides, until it ends or is parked."""
        return _Life(self, seed).live()


class _Life:
    def __init__(self, chaos: Chaos, seed: int) -> None:
        self._chaos = chaos
        self._dice = random.Random(seed)  # noqa: S311  (no secret)
        self._wanted = chaos.wanted(seed)
        self._job_id = chaos.new_job()
        self._born = {job.id for job in chaos.provider.jobs}
        first, moment = seed % len(_FAULTS), seed // len(_FAULTS)
        self._first_fault = _FAULTS[first]
        if moment >= _MOMENTS:  # each was slow once with each: the same without the wait
            self._first_fault = _TWINS.get(self._first_fault, self._first_fault)
        self._first_crash = Countdown(moment % _MOMENTS + 1)
        self._crashes = 0
        self._attempts = 0

    def live(self) -> Ending:
        self._plan()
        storm = self._dice.randint(2, 5)
        cancelled_at = self._dice.randint(1, storm) if self._dice.random() < _CANCELLED else None
        while self._attempts < _MOST_ATTEMPTS:
            if self._attempts == storm:
                self._calm()
            if self._attempts == cancelled_at and self._cancel():
                break
            if self._step(stormy=self._attempts < storm):
                break
            self._move(stormy=self._attempts <= storm)
        return self._ending()

    def _plan(self) -> None:
        dice, provider = self._dice, self._chaos.provider
        provider.fail("create", self._first_fault, retry_after="0.001")
        for _ in range(dice.randint(0, 3)):
            fault = dice.choice(_FINAL if dice.random() < 0.06 else _CHEAP)
            skip = dice.choice((0, 0, 0, 1))
            provider.fail(dice.choice(_OPERATIONS), fault, dice.randint(1, 2), skip=skip, retry_after="0.001")
        if dice.random() < 0.3:
            provider.lag(lists=dice.choice((1, 1, 2, 5)))

    def _calm(self) -> None:
        """Let the faults pass, and everything accepted be shown, while whoever drives the run looks once more."""
        self._chaos.provider.heal()
        self._chaos.provider.lag()
        for job in self._ours():
            job.lag_lists = 0

    def _step(self, *, stormy: bool) -> bool:
        """Make one attempt; returns whether the run has ended."""
        self._attempts += 1
        chaos, dice = self._chaos, self._dice
        if dice.random() < 0.15:
            self._sweep(stormy=stormy)
        job = chaos.claim(self._job_id)
        countdown = self._first_crash
        if self._crashes:
            countdown = Countdown(dice.randint(1, 20) if stormy and dice.random() < 0.5 else None)
        try:
            outcome = chaos.attempt(job, self._wanted, countdown)
        except Crash:
            self._crashes += 1
            chaos.rest(job, crashed=True)
            return False
        except RefusedError:
            chaos.rest(job, crashed=True)
            run = chaos.run_of(self._job_id)
            return run is not None and not run.is_open
        chaos.rest(job, crashed=False)
        return isinstance(outcome, ProviderJob)

    def _cancel(self) -> bool:
        """Cancel the job as a person does, and let sweeps see to the rest; returns whether there was a run."""
        run = self._chaos.run_of(self._job_id)
        if run is None:
            return False
        with self._chaos.database.transaction() as conn:
            jobs.cancel(conn, self._job_id, "tester")
        for sweep in range(_MOST_ATTEMPTS):
            self._sweep(stormy=sweep < 3)
            if sweep == 3:
                self._calm()
            run = self._chaos.run_of(self._job_id)
            if run is None or not run.is_open:
                break
        return True

    def _sweep(self, *, stormy: bool) -> None:
        try:
            self._chaos.sweep(Countdown(self._dice.randint(1, 6) if stormy and self._dice.random() < 0.5 else None))
        except Crash:
            self._crashes += 1

    def _move(self, *, stormy: bool) -> None:
        """Let time go by at the provider: what we know of may end, what no list shows yet is only beginning."""
        run = self._chaos.run_of(self._job_id)
        for job in self._ours():
            if job.status in ("validating_files", "queued") and (not stormy or self._dice.random() < 0.5):
                self._chaos.provider.advance(job.id, "running")
            mine = run is not None and run.provider_job_id == job.id
            if mine and job.status == "running" and (not stormy or self._dice.random() < 0.1):
                self._chaos.provider.advance(
                    job.id, self._dice.choice(("succeeded",) * 7 + ("failed", "safety", "paused"))
                )
            elif mine and job.status == "paused":
                self._chaos.provider.advance(job.id, "running")

    def _ours(self) -> list[Any]:
        return [job for job in self._chaos.provider.jobs if job.id not in self._born]

    def _ending(self) -> Ending:
        run = self._chaos.run_of(self._job_id)
        assert run is not None, "no run was begun"
        ours = self._ours()
        self._calm()
        with self._chaos.database.reading() as conn:
            job = jobs.get(conn, self._job_id)
        return Ending(
            run=run, billed=[j.id for j in ours if j.billed], accepted=len(ours), attempts=self._attempts,
            crashes=self._crashes, job=job,
        )  # fmt: skip
