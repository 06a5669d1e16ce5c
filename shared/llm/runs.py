"""What becomes of a run by what the provider says: the pure rules, and the writes that belong together.

The step that drives a run and the sweep over all of them both come here, so that money is settled in one place. Every
function takes an open transaction and leaves the commit to its caller.
"""

from collections.abc import Sequence
from typing import Final

from psycopg import Connection

from shared.db import alerts
from shared.db import provider_jobs as rows
from shared.db.provider_jobs import ProviderJob, RunState
from shared.errors import TuneyardError
from shared.llm import budget, prices
from shared.llm.fine_tunes import CANCELLED, FAILED, SUCCEEDED, RemoteJob

PARKED: Final = "fine-tune-parked"
TWICE: Final = "fine-tune-twice"
_SAFETY: Final = ("safety", "unsafe", "moderation", "policy_violation")


def after(remote: RemoteJob) -> RunState:
    """Decide purely which state a run is in when the provider's job looks like this."""
    if remote.status == SUCCEEDED and remote.fine_tuned_model:
        return "succeeded"
    if remote.status == FAILED:
        return "failed_after_training" if remote.trained_tokens or _is_safety(remote.error_code) else "failed"
    if remote.status == CANCELLED:
        return "cancelled"
    return "polling"  # a success without a name is one whose name is still to come


def _is_safety(code: str | None) -> bool:
    return code is not None and any(word in code.lower() for word in _SAFETY)


def note(conn: Connection, run: ProviderJob, remote: RemoteJob) -> ProviderJob:
    """Write down what the provider says of a run that is under way; at its end settle what it cost."""
    seen = rows.seen(
        conn, run.id, status=remote.status, model=remote.fine_tuned_model, tokens=remote.trained_tokens
    )  # fmt: skip
    state = after(remote)
    if seen is None or state == "polling":
        return seen or rows.get(conn, run.id)
    cost = _cost(seen, state)
    error = (
        {"code": remote.error_code or state, "message": remote.error_message or ""} if state != "succeeded" else None
    )
    ended = rows.end(conn, run.id, state, error=error, cost_usd=cost, status=remote.status)
    if ended is None:
        return rows.get(conn, run.id)
    if cost is None:
        budget.release(conn, run.id)
    else:
        budget.settle(conn, run.id, cost, tokens=seen.trained_tokens)
    return ended


def _cost(run: ProviderJob, state: RunState) -> float | None:
    """Return what an ended run has cost, by the tokens that were trained; None when nothing is billed."""
    if run.trained_tokens:
        return prices.training_cost(run.provider, run.base_model, run.trained_tokens)
    return run.estimated_usd if state in ("succeeded", "failed_after_training") else None


def give_up(conn: Connection, run: ProviderJob, state: RunState, error: TuneyardError) -> ProviderJob:
    """End a run of which the provider has nothing, and take back what was reserved for it."""
    described = {"code": error.instance_code, "message": error.message, "advice": error.advice}
    ended = rows.end(conn, run.id, state, error=described)
    if ended is None:
        return rows.get(conn, run.id)
    budget.release(conn, run.id)
    return ended


def choose(found: Sequence[RemoteJob], present: str | None = None) -> tuple[RemoteJob, list[RemoteJob]]:
    """Decide purely which of a run's jobs counts (the oldest, unless one counts already), and which must be cancelled.

    ``found`` is not empty, oldest first.
    """
    alive = [job for job in found if job.status not in (FAILED, CANCELLED)]
    chosen = next((job for job in found if job.id == present), None) or (alive or found)[0]
    return chosen, [job for job in alive if job.id != chosen.id and job.status != SUCCEEDED]


def alert_twice(conn: Connection, run: ProviderJob, kept: str, others: Sequence[RemoteJob]) -> None:
    """Tell people that a run has more than one job at the provider."""
    ids = ", ".join(job.id for job in others)
    alerts.raise_once(
        conn, TWICE, run.id,
        f"{run.provider} has more than one job for the fine-tune {run.id}: {kept} counts, {ids} was cancelled;"
        " see in its dashboard that nothing is billed for it",
        {"kept": kept, "others": [job.id for job in others]},
    )  # fmt: skip


def alert_parked(conn: Connection, run: ProviderJob) -> None:
    """Tell people that nobody knows whether a fine-tune was started, and that they must find out."""
    alerts.raise_once(
        conn, PARKED, run.id,
        f"nobody knows whether {run.provider} has started the fine-tune {run.id}: look in its dashboard, then run"
        f" tuneyard llm resolve {run.id} --adopt JOB, --retry or --give-up",
        {"job_id": run.job_id, "creates": run.creates, "empty_lists": run.empty_lists},
    )  # fmt: skip
