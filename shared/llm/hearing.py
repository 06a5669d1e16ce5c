"""A provider's events as progress of our jobs: each is stored once, and those with a step are shown."""

from collections.abc import Sequence

from psycopg import Connection

from shared.contracts import JsonObject
from shared.db import jobs, provider_sweep
from shared.db.provider_sweep import NewEvent
from shared.llm.fine_tunes import RemoteEvent

_SHOWN = 20  # of one look: a person reads no more, and the rest is stored


def store(conn: Connection, run_id: str, events: Sequence[RemoteEvent]) -> list[RemoteEvent]:
    """Store a run's events; return those that are new, oldest first."""
    new = provider_sweep.add_events(conn, run_id, [NewEvent(**vars(event)) for event in events])
    return sorted((e for e in events if e.id in new), key=lambda e: (e.at, e.step or 0, e.id))


def show(conn: Connection, job_id: str, events: Sequence[RemoteEvent]) -> None:
    """Show new events on the job that waits for them. Not together with ``store``: jobs are locked before runs."""
    for event in [e for e in events if e.step is not None][-_SHOWN:]:
        jobs.report_waiting(
            conn, job_id, fraction=fraction(event), message=sentence(event), counters=counters(event)
        )  # fmt: skip


def counters(event: RemoteEvent) -> JsonObject:
    """Return the figures that progress is shown with."""
    return {k: v for k, v in (("step", event.step), ("loss", event.loss)) if v is not None}


def sentence(event: RemoteEvent) -> str:
    """Return how far training is, in words of our own."""
    total = event.data.get("total_steps")
    where = f"step {event.step} of {total}" if total else f"step {event.step}"
    return where if event.loss is None else f"{where}, loss {event.loss:.4g}"


def fraction(event: RemoteEvent) -> float | None:
    """Return how much is done, 0 to 1; None when the provider does not say how many steps there are."""
    total = event.data.get("total_steps")
    return min(1.0, (event.step or 0) / total) if isinstance(total, int) and total > 0 else None
