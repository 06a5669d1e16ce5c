"""What the provider says of our fine-tunes against what we think, and what to do about the difference.

The comparison is pure: runs from the ledger and jobs from the provider's lists go in, findings come out.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from shared.contracts import FINAL_STATES, Contract
from shared.db.provider_jobs import ProviderJob
from shared.llm import runs
from shared.llm.fine_tunes import CANCELLED, ENDED, FAILED, PAGE, SUCCEEDED, FineTunes, RemoteJob

Level = Literal["wrong", "note"]

_UNHEARD: Final = timedelta(minutes=30)
_ENDED_DRIVERS: Final = frozenset(state.value for state in FINAL_STATES)


class Finding(Contract):
    """Something that is not as it should be (``wrong``), or worth knowing (``note``), and what to do."""

    kind: str
    level: Level
    sentence: str
    advice: str
    run_id: str | None = None
    provider_job_id: str | None = None


class Line(Contract):
    """One fine-tune as both sides see it; what a side does not know is None."""

    run_id: str | None = None
    job_id: str | None = None
    pipeline: str | None = None
    surface: str | None = None
    state: str | None = None
    """Ours."""
    provider_job_id: str | None = None
    status: str | None = None
    """The provider's."""
    base_model: str | None = None
    fine_tuned_model: str | None = None
    cost_usd: float | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The provider's jobs, newest first; ``complete`` when the lists were read to their end."""

    jobs: Sequence[RemoteJob]
    complete: bool


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What we think: our runs at every server, the states of the jobs that drive the open ones, and the time."""

    server: str
    runs: Sequence[ProviderJob]
    drivers: Mapping[str, str | None]
    now: datetime


def read_lists(remote: FineTunes, *, pages: int, seconds: float) -> Listing:
    """Read the provider's lists, a hundred jobs a page, within bounds. Raises what ``FineTunes.page`` raises."""
    ends_at = time.monotonic() + seconds
    jobs: list[RemoteJob] = []
    for _ in range(pages):
        page, more = remote.page(jobs[-1].id if jobs else None, PAGE)
        jobs += page
        if not more or not page:
            return Listing(jobs=jobs, complete=True)
        if time.monotonic() > ends_at:
            break
    return Listing(jobs=jobs, complete=False)


def compare(ledger: Ledger, listing: Listing) -> tuple[Finding, ...]:
    """Return the differences, what is wrong first."""
    theirs = _by_run(ledger.runs, listing.jobs)
    found: list[Finding] = []
    for run in ledger.runs:
        if run.server == ledger.server:
            jobs = theirs.get(run.id, [])
            for check in _CHECKS:
                found += check(run, jobs, ledger, listing)
        elif run.is_open:
            found.append(_elsewhere(run))
    known = {run.id for run in ledger.runs}
    found += [_stranger(job) for job in listing.jobs if job.run_id and job.run_id not in known]
    return tuple(sorted(found, key=lambda one: one.level != "wrong"))


def lines(ledger: Ledger, listing: Listing) -> tuple[Line, ...]:
    """Return each fine-tune of both sides once, newest first: our runs at this server, then jobs that are not ours."""
    theirs = _by_run(ledger.runs, listing.jobs)
    shown: list[Line] = []
    taken: set[str] = set()
    for run in (run for run in ledger.runs if run.server == ledger.server):
        jobs = theirs.get(run.id, [])
        chosen = runs.choose(jobs, run.provider_job_id)[0] if jobs else None
        taken.update(job.id for job in jobs)
        shown.append(_line(run, chosen))
        shown += [_line(run, job) for job in jobs if chosen and job.id != chosen.id]
    return tuple(shown + [_line(None, job) for job in listing.jobs if job.id not in taken])


def _line(run: ProviderJob | None, job: RemoteJob | None) -> Line:
    return Line(
        run_id=run.id if run else None,
        job_id=run.job_id if run else None,
        pipeline=run.pipeline if run else None,
        surface=run.surface if run else None,
        state=run.state if run else None,
        provider_job_id=job.id if job else run.provider_job_id if run else None,
        status=job.status if job else None,
        base_model=job.model if job else run.base_model if run else None,
        fine_tuned_model=job.fine_tuned_model if job else run.fine_tuned_model if run else None,
        cost_usd=run.cost_usd if run else None,
        created_at=job.created_at if job else run.created_at if run else None,
    )


def _by_run(ours: Sequence[ProviderJob], jobs: Sequence[RemoteJob]) -> Mapping[str, list[RemoteJob]]:
    """Return the provider's jobs of each run: by the id that we know, the run's id in its metadata, or its file."""
    by_id = {run.provider_job_id: run.id for run in ours if run.provider_job_id}
    by_file = {run.file_id: run.id for run in ours if run.file_id}
    known = {run.id for run in ours}
    found: dict[str, list[RemoteJob]] = {}
    for job in reversed(jobs):  # oldest first
        named = job.run_id if job.run_id in known else None
        run_id = by_id.get(job.id) or named or by_file.get(job.training_file)
        if run_id:
            found.setdefault(run_id, []).append(job)
    return found


# --- what can be wrong with one run -----------------------------------------------------------------------------------

Check = Callable[[ProviderJob, Sequence[RemoteJob], Ledger, Listing], Iterator[Finding]]


def _two_jobs(run: ProviderJob, jobs: Sequence[RemoteJob], _: Ledger, __: Listing) -> Iterator[Finding]:
    alive = [job for job in jobs if job.status not in (FAILED, CANCELLED)]
    if len(alive) > 1:
        kept, others = runs.choose(alive, run.provider_job_id)
        named = ", ".join(job.id for job in alive if job.id != kept.id)
        yield _finding(
            run, kept, "two-jobs", f"the provider has {len(alive)} jobs for one run: {kept.id} counts, not {named}",
            "the next sweep cancels what is under way; see on the provider's page that nothing is billed for the rest"
            if others else "both have ended: see on the provider's page what was billed, and ask for it back",
        )  # fmt: skip


def _status(run: ProviderJob, jobs: Sequence[RemoteJob], _: Ledger, __: Listing) -> Iterator[Finding]:
    job = next((job for job in jobs if job.id == run.provider_job_id), None)
    if job is None or (state := runs.after(job)) == run.state:
        return
    said = f"we think {run.state}, the provider says {job.status}"
    if run.is_open:
        if run.state == "polling":
            advice = "the next sweep notes it; if this stays, see that beat and the finetune worker run"
            yield _finding(run, job, "status-differs", said, advice)
    elif job.status not in ENDED:
        advice = "it may cost money: cancel it on the provider's page, or with its API"
        yield _finding(run, job, "still-running", said, advice)
    elif state == "succeeded":
        advice = f"its model {job.fine_tuned_model} was paid for and is there, though we do not use it"
        yield _finding(run, job, "status-differs", said, advice, level="note")


def _not_adopted(run: ProviderJob, jobs: Sequence[RemoteJob], _: Ledger, __: Listing) -> Iterator[Finding]:
    if run.provider_job_id is not None or not jobs:
        return
    job = runs.choose(jobs)[0]
    if run.is_open:
        advice = f"it is adopted by itself within minutes, or now: tuneyard llm resolve {run.id} --adopt {job.id}"
        yield _finding(run, job, "not-adopted", f"the provider has {job.id} for it, and we do not know it yet", advice)
    elif job.status not in ENDED or job.status == SUCCEEDED:
        advice = "it may cost money: cancel it on the provider's page, or with its API"
        yield _finding(
            run, job, "still-running", f"we think {run.state}, the provider has {job.id}, {job.status}", advice
        )


def _unknown_there(run: ProviderJob, jobs: Sequence[RemoteJob], _: Ledger, listing: Listing) -> Iterator[Finding]:
    if run.is_open and run.provider_job_id and not jobs and listing.complete:
        yield _finding(
            run, None, "unknown-there", f"the provider does not list {run.provider_job_id}",
            "lists may lag for minutes; then compare organisation, project and key with those it was created with",
        )  # fmt: skip


def _parked(run: ProviderJob, jobs: Sequence[RemoteJob], _: Ledger, __: Listing) -> Iterator[Finding]:
    if run.state == "create_unknown" and not jobs:
        waits = "it waits for a person" if run.parked_at else "it is still being looked for"
        yield _finding(
            run, None, "create-unknown", f"nobody knows whether the provider has started it; {waits}",
            f"look on the provider's page, then tuneyard llm resolve {run.id} --adopt JOB, --retry or --give-up",
            level="wrong" if run.parked_at else "note",
        )  # fmt: skip


def _no_driver(run: ProviderJob, _: Sequence[RemoteJob], ledger: Ledger, __: Listing) -> Iterator[Finding]:
    driver = ledger.drivers.get(run.id)
    if run.is_open and not run.cancel_requested and (driver is None or driver in _ENDED_DRIVERS):
        said = f"its job {run.job_id or '(deleted)'} is {driver or 'gone'}: nobody will take the model home"
        again = "ask for the same fine-tune again: that job takes this one over"
        yield _finding(run, None, "no-driver", said, f"tuneyard jobs retry {run.job_id}" if driver else again)


def _unheard(run: ProviderJob, _: Sequence[RemoteJob], ledger: Ledger, __: Listing) -> Iterator[Finding]:
    since = run.last_seen_at or run.created_at
    if run.state == "polling" and ledger.now - since > _UNHEARD:
        said = f"the provider was not asked about it since {since:%Y-%m-%d %H:%M} UTC"
        yield _finding(run, None, "unheard", said, "see that beat and the finetune worker run")


_CHECKS: Final[tuple[Check, ...]] = (
    _two_jobs, _status, _not_adopted, _unknown_there, _parked, _no_driver, _unheard,
)  # fmt: skip


def _elsewhere(run: ProviderJob) -> Finding:
    return _finding(
        run, None, "other-server", f"it is under way at {run.server}, which is not the present provider",
        "set OPENAI_BASE_URL (and the key) to that server until it has ended, or cancel its job", level="note",
    )  # fmt: skip


def _stranger(job: RemoteJob) -> Finding:
    under_way = job.status not in ENDED
    return Finding(
        kind="unknown-here",
        level="wrong" if under_way else "note",
        sentence=f"{job.id} ({job.status}) carries the run {job.run_id}, which this database does not have",
        advice="is another Tuneyard using this account, or was the database set back? If neither, cancel it there",
        run_id=job.run_id,
        provider_job_id=job.id,
    )


def _finding(
    run: ProviderJob, job: RemoteJob | None, kind: str, sentence: str, advice: str, *, level: Level = "wrong"
) -> Finding:
    return Finding(
        kind=kind,
        level=level,
        sentence=f"{run.id} ({run.pipeline}, {run.surface}): {sentence}",
        advice=advice,
        run_id=run.id,
        provider_job_id=job.id if job else run.provider_job_id,
    )
