"""The step ``llm.doctor``: what the provider says of our fine-tunes, what we think, and what to do about it.

It only asks. What a person decides upon its answer is ``llm.resolve``.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import urlsplit

from psycopg import Connection
from pydantic import Field

from shared import ids
from shared.contracts import Contract, Queue
from shared.db import provider_doctor, provider_jobs, sunsets
from shared.db.provider_jobs import ProviderJob
from shared.errors import NotFoundError, RefusedError, TuneyardError, UnavailableError
from shared.llm.connection import Provider, provider_of
from shared.llm.doctor import Finding, Ledger, Line, Listing, compare, lines, read_lists
from shared.llm.fine_tunes import FineTunes, Rejected, RemoteEvent, RemoteJob
from shared.llm.openai_fine_tunes import OpenAIFineTunes
from shared.llm.policy import llm_policy
from shared.llm.sunset import training_ends
from shared.llm.wanted import server_of
from shared.pipeline import Done, Run, Step
from shared.settings import get_settings

AnyJobId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]

_RUNS: Final = 10_000
_SHOWN: Final = 1_000
_EVENTS: Final = 20
_SECONDS: Final = 14.0  # the queue ends a task after 25 s, and one request takes 8 s at most


class DoctorParams(Contract):
    """Which fine-tune to look at, and whether to list them all."""

    job_id: AnyJobId | None = Field(
        default=None,
        description="Only this one: the provider's id (ftjob-…), or ours (pj_…). Its events are shown too.",
    )
    list_all: bool = Field(default=False, description="List every fine-tune, not only what was found.")


class Said(Contract):
    """An event of a fine-tune, as the provider tells it."""

    at: datetime
    level: str
    message: str
    step: int | None
    loss: float | None


class DoctorResult(Contract):
    """What was seen. ``complete``: the provider's lists were read to their end."""

    healthy: bool
    sentence: str
    provider: str
    server: str
    organization: str | None
    """As it is set here (OPENAI_ORG_ID)."""
    project: str | None
    organizations_seen: tuple[str, ...]
    """As the provider's jobs name them."""
    complete: bool
    ours: int
    theirs: int
    foreign: int
    """Jobs of the provider that carry no run: other programs of this account."""
    findings: tuple[Finding, ...]
    fine_tunes: tuple[Line, ...] = ()
    left_off: int = 0
    events: tuple[Said, ...] = ()


def doctor_step() -> Step[DoctorParams]:
    """Return the step ``llm.doctor``."""
    return Step(
        pipeline="llm",
        name="doctor",
        summary="Compare what the provider says of fine-tunes with what we think, and say what to do.",
        queue=Queue.FINETUNE,
        params=DoctorParams,
        run=examine,
    )


def examine(run: Run, params: DoctorParams) -> Done:
    """Ask the provider and compare. One that does not answer is a finding, not a failure.

    Raises InvalidInputError when there is no provider, NotFoundError when neither side knows the job.
    """
    provider = provider_of(get_settings())
    policy = llm_policy().life_cycle
    with run.reading() as conn:
        ledger = _ledger(conn, server_of(provider), params.job_id)
        closing = _closing(conn, provider)
    events: Sequence[RemoteEvent] = ()
    try:
        with OpenAIFineTunes(provider, timeout=policy.request_timeout) as remote:
            if params.job_id:
                ledger, listing, events = _one(run, remote, ledger, params.job_id)
            else:
                listing = read_lists(remote, pages=policy.sweep_requests, seconds=_SECONDS)
        silent: tuple[Finding, ...] = ()
    except (RefusedError, UnavailableError) as error:
        listing, silent = Listing(jobs=(), complete=False), (_silent(error),)
    findings = (*silent, *compare(ledger, listing), *_organization(provider, listing.jobs), *closing)
    return Done(result=_result(provider, params, ledger, listing, findings, events))


def _ledger(conn: Connection, server: str, job_id: str | None) -> Ledger:
    if job_id is None:
        ours = provider_jobs.list_runs(conn, limit=_RUNS)
    elif job_id.startswith(f"{ids.PROVIDER_JOB}_"):
        ours = [provider_jobs.get(conn, job_id)]
    else:
        ours = provider_jobs.by_provider_job(conn, job_id)
    return Ledger(server=server, runs=ours, drivers=provider_doctor.drivers(conn), now=provider_doctor.now(conn))


def _one(run: Run, remote: FineTunes, ledger: Ledger, job_id: str) -> tuple[Ledger, Listing, Sequence[RemoteEvent]]:
    """Ask for one fine-tune: by its id, and by the run's for others of the same run."""
    if any(ours.server != ledger.server for ours in ledger.runs):
        return ledger, Listing(jobs=(), complete=False), ()
    found: dict[str, RemoteJob] = {}
    for their_id in [ours.provider_job_id for ours in ledger.runs if ours.provider_job_id] or [job_id]:
        try:
            found[their_id] = remote.retrieve(their_id)
        except Rejected as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
    if not ledger.runs and not found:
        raise NotFoundError(
            f"neither the provider nor we know {job_id}",
            advice="tuneyard llm doctor --list names all that both know; is it of another account or server?",
        )
    if not ledger.runs:  # it may be the second job of a run that has another one
        named = next(iter(found.values())).run_id
        with run.reading() as conn:
            ledger = replace(ledger, runs=_run_named(conn, named))
    for ours in ledger.runs:
        found.update({job.id: job for job in remote.find(ours.id, ours.file_id)})
    shown = next(iter(found), None)
    events = remote.events(shown, limit=_EVENTS) if shown else ()
    return ledger, Listing(jobs=tuple(found.values()), complete=True), events


def _run_named(conn: Connection, run_id: str | None) -> list[ProviderJob]:
    try:
        return [provider_jobs.get(conn, run_id)] if run_id else []
    except NotFoundError:
        return []


def _silent(error: TuneyardError) -> Finding:
    return Finding(kind="provider", level="wrong", sentence=error.message, advice=error.advice or "try again")


def _closing(conn: Connection, provider: Provider) -> tuple[Finding, ...]:
    closing, today = training_ends(provider.name), sunsets.today(conn)
    if closing is None or not closing.soon(today):
        return ()
    advice = "set OPENAI_BASE_URL to another server, or to our own /openai/v1, before that day"
    return (Finding(kind="sunset", level="note", sentence=closing.sentence(today), advice=advice),)


def _organization(provider: Provider, jobs: Sequence[RemoteJob]) -> tuple[Finding, ...]:
    seen = {job.organization for job in jobs if job.run_id and job.organization}
    if not provider.organization or seen <= {provider.organization}:
        return ()
    said = f"fine-tunes of ours are counted for {', '.join(sorted(seen))}, and OPENAI_ORG_ID is {provider.organization}"
    return (
        Finding(kind="organization", level="note", sentence=said, advice="set OPENAI_ORG_ID to where they shall be"),
    )


def _result(  # noqa: PLR0917  (all that was learned)
    provider: Provider,
    params: DoctorParams,
    ledger: Ledger,
    listing: Listing,
    findings: tuple[Finding, ...],
    events: Sequence[RemoteEvent],
) -> DoctorResult:
    wrong = sum(finding.level == "wrong" for finding in findings)
    shown = lines(ledger, listing)
    asked = {finding.run_id or finding.provider_job_id for finding in findings}
    if not (params.list_all or params.job_id):
        shown = tuple(line for line in shown if line.run_id in asked or line.provider_job_id in asked)
    return DoctorResult(
        healthy=not wrong,
        sentence=f"{wrong} thing{'s' if wrong > 1 else ''} to look at" if wrong else "all is as it should be",
        provider=provider.name,
        server=urlsplit(provider.base_url)._replace(query="", fragment="").geturl().rpartition("@")[2],
        organization=provider.organization,
        project=provider.project,
        organizations_seen=tuple(sorted({job.organization for job in listing.jobs if job.organization})),
        complete=listing.complete,
        ours=sum(run.server == ledger.server for run in ledger.runs),
        theirs=len(listing.jobs),
        foreign=sum(job.run_id is None for job in listing.jobs),
        findings=findings,
        fine_tunes=shown[:_SHOWN],
        left_off=max(0, len(shown) - _SHOWN),
        events=tuple(
            Said(at=e.at, level=e.level, message=e.message, step=e.step, loss=e.loss) for e in reversed(events)
        ),
    )
