"""The sweeps' tasks: look for work that nobody was told of, or that was lost.

They have a worker of their own, so that no long job keeps them waiting. An advisory lock lets one of each run at a
time; pages are taken with SKIP LOCKED until one comes back short.
"""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from beat_schedule import ENTRIES, Entry
from shared import jobs
from shared.contracts import Queue
from shared.db import schedules, staging, sweeping
from shared.db.locks import single_flight
from shared.db.pool import Database, get_database
from shared.errors import InvalidInputError, NotFoundError
from shared.files import forget_uploads
from shared.llm import completions
from shared.llm.connection import provider_of
from shared.llm.openai_fine_tunes import OpenAIFineTunes
from shared.llm.policy import llm_policy
from shared.llm.wanted import server_of
from shared.loop.providers import Sweep
from shared.registry import get_step
from shared.settings import Settings, get_settings
from shared.stores import artifacts
from workers import dispatch
from workers.app import task
from workers.dispatch import WakeUp

log = structlog.get_logger()

_PAGE: Final = 500
_BACKSTOP: Final = timedelta(minutes=10)  # whatever the broker says, a wake-up this old is sent again


@task("sweeps.jobs", Queue.SWEEPS)
def sweep_jobs() -> None:
    """Rescue jobs whose lease ran out, then send every wake-up that is missing."""
    database = get_database()
    with single_flight(database, "sweeps.jobs") as mine:
        if mine:
            rescue(database)
            relay(database)


@task("sweeps.prune", Queue.SWEEPS)
def prune() -> None:
    """Delete what is kept for a time only."""
    database, settings = get_database(), get_settings()
    with single_flight(database, "sweeps.prune") as mine:
        if not mine:
            return
        age = timedelta(days=settings.event_retention_days)
        deleted = _PAGE
        while deleted == _PAGE:
            with database.transaction() as conn:
                deleted = sweeping.delete_old_events(conn, age, _PAGE)
        with database.transaction() as conn:
            sweeping.delete_old_idempotency_keys(conn, timedelta(hours=settings.idempotency_hours))
            staging.drop_dead(conn)
        completions.tidy(database)
        _forget_uploads(database, settings)
        dispatch.compact_broker_log()


def _forget_uploads(database: Database, settings: Settings) -> None:
    before = datetime.now(UTC) - timedelta(days=settings.upload_retention_days)
    wanted = database.read(sweeping.hashes_wanted)
    if forgotten := forget_uploads(artifacts(), before=before, wanted=wanted):
        log.info("uploads deleted", blobs=forgotten)


@task("sweeps.providers", Queue.FINETUNE)
def sweep_providers() -> None:
    """Ask the provider for all fine-tunes under way, and wake the jobs of those that have ended."""
    database = get_database()
    with single_flight(database, "sweeps.providers") as mine:
        if not mine:
            return
        try:
            provider = provider_of(get_settings())
        except InvalidInputError as error:  # a stack without fine-tunes needs no provider
            log.debug("no sweep of fine-tunes", reason=error.message)
            return
        policy = llm_policy().life_cycle
        with ExitStack() as at_the_end:

            def remote() -> OpenAIFineTunes:
                return at_the_end.enter_context(OpenAIFineTunes(provider, timeout=policy.request_timeout))

            swept = Sweep(database, remote, server_of(provider), policy).run()
        if swept.open:
            log.info("fine-tunes swept", open=swept.open, requests=swept.requests, changed=swept.changed)
        dispatch.send_or_leave(database, [WakeUp(*job) for job in swept.woken])


@task("sweeps.fire", Queue.SWEEPS)
def fire(entry_name: str) -> None:
    """Submit a schedule entry's job if its present slot is still free."""
    entry = _entry(entry_name)
    database = get_database()
    step = get_step(entry.step)
    new = jobs.new_job(step, step.params.model_validate(entry.params), actor=f"schedule:{entry.name}")
    with database.transaction() as conn:
        slot = schedules.open_slot(conn, entry.name, entry.every)
        if slot is None:
            return
        (submission,) = jobs.submit(conn, [new])
        schedules.note_job(conn, entry.name, slot, submission.job_id)
    log.info("schedule fired", entry=entry.name, slot=slot, job=submission.job_id, created=submission.created)
    if submission.created:
        dispatch.send_or_leave(database, [WakeUp(new.id, new.kind, new.queue)])


def rescue(database: Database) -> int:
    """Take back jobs from workers that died or hang; returns how many."""
    total = 0
    while True:
        with database.transaction() as conn:
            page = jobs.rescue(conn, _PAGE)
        for job in page:
            log.warning("rescued", job=job.id, step=job.kind, attempt=job.attempt, state=job.state)
        total += len(page)
        if len(page) < _PAGE:
            return total


def relay(database: Database) -> int:
    """Send the wake-ups of due jobs that were never sent or must be lost; returns how many."""
    resend_after = timedelta(seconds=get_settings().resend_after_seconds)
    empty = [name for name, depth in dispatch.queue_depths().items() if depth == 0]
    total = 0
    while True:
        with database.transaction() as conn:
            page = sweeping.take_unsent(
                conn, empty_queues=empty, resend_after=resend_after, backstop=_BACKSTOP, limit=_PAGE
            )
        sent = dispatch.send_or_leave(database, [WakeUp(*job) for job in page])
        total += len(page)
        if len(page) < _PAGE or not sent:
            return total


def _entry(name: str) -> Entry:
    for entry in ENTRIES:
        if entry.name == name:
            return entry
    raise NotFoundError(f"there is no schedule entry {name}", advice="see beat_schedule.py; is an old beat running?")
