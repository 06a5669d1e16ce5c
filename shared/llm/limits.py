"""How much a provider is asked at once and in a minute, over all processes: a token bucket and slots in PostgreSQL.

A slot is a lease: a process that dies with a request under way gives its slot back when the request would have ended
at the latest. Only the database's clock counts.
"""

import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from psycopg import Connection

from shared.db import completions as rows
from shared.db.completions import Limits
from shared.db.pool import Database
from shared.errors import UnavailableError

_SHORTEST_LOOK_S: Final = 0.02
_LONGEST_LOOK_S: Final = 0.25


@dataclass(frozen=True, kw_only=True)
class LimitPolicy:
    """``at_once`` requests under way, and ``per_minute`` in the long run (None: no such limit).

    After a pause, what would have been sent in ``burst_s`` seconds may be sent together.
    """

    at_once: int
    per_minute: float | None
    burst_s: float = 6.0

    @property
    def burst(self) -> float:
        """Requests that may be sent together after a pause: one at least."""
        return max(1.0, (self.per_minute or 0) * self.burst_s / 60)


@dataclass(frozen=True, kw_only=True)
class Permit:
    """Leave to send one request: the slot (from 1), and when it goes back by itself."""

    slot: int
    until: datetime
    allowance: float


@dataclass(frozen=True, kw_only=True)
class NotYet:
    """No leave now. ``after_s`` is when it may come, None where only another request's end can tell."""

    after_s: float | None


def decide(state: Limits, policy: LimitPolicy, lease: timedelta) -> Permit | NotYet:
    """Say whether one more request may be sent now. Pure."""
    if state.blocked_until is not None and state.blocked_until > state.now:
        return NotYet(after_s=(state.blocked_until - state.now).total_seconds())
    allowance = _allowance(state, policy)
    if allowance < 1 and policy.per_minute is not None:
        return NotYet(after_s=(1 - allowance) * 60 / policy.per_minute)
    taken = [*state.slots, *[None] * policy.at_once][: policy.at_once]
    for slot, until in enumerate(taken, start=1):
        if until is None or until <= state.now:
            return Permit(slot=slot, until=state.now + lease, allowance=allowance - 1)
    return NotYet(after_s=None)


def _allowance(state: Limits, policy: LimitPolicy) -> float:
    if policy.per_minute is None or state.refilled_at is None:
        return policy.burst
    grown_s = max(0.0, (state.now - state.refilled_at).total_seconds())
    return min(policy.burst, max(0.0, state.allowance) + grown_s * policy.per_minute / 60)


class Limiter:
    """Gives leave to ask one provider."""

    def __init__(self, database: Database, provider: str, policy: LimitPolicy) -> None:
        self._database = database
        self._provider = provider
        self._policy = policy

    @property
    def at_once(self) -> int:
        """How many requests may be under way."""
        return self._policy.at_once

    def acquire(self, deadline: float, lease: timedelta) -> Permit:
        """Wait for leave to send a request that is over after ``lease``.

        Raises UnavailableError, code ``provider-busy``, when it cannot come before ``deadline`` (a monotonic time).
        """
        look_s = _SHORTEST_LOOK_S
        while True:
            decision = self._take(lease)
            if isinstance(decision, Permit):
                return decision
            wait_s = decision.after_s if decision.after_s is not None else look_s * random.uniform(0.5, 1.5)  # noqa: S311
            if time.monotonic() + wait_s >= deadline:
                raise UnavailableError(
                    f"{self._provider} is asked as much as it may be",
                    code="provider-busy",
                    advice="try again later; LLM_CONCURRENCY and LLM_REQUESTS_PER_MINUTE are our side of the limit",
                )
            time.sleep(wait_s)
            look_s = min(_LONGEST_LOOK_S, look_s * 2)

    def _take(self, lease: timedelta) -> Permit | NotYet:
        with self._database.transaction() as conn, conn.pipeline():
            state = rows.lock_limits(conn, self._provider)
            decision = decide(state, self._policy, lease)
            if isinstance(decision, Permit):
                rows.take_slot(
                    conn,
                    self._provider,
                    slot=decision.slot,
                    until=decision.until,
                    allowance=decision.allowance,
                    now=state.now,
                )
            return decision

    def release(self, conn: Connection, permit: Permit, *, hold_back_s: float = 0.0) -> None:
        """Give a permit back; with ``hold_back_s`` (Retry-After) nobody asks the provider for so long."""
        rows.free_slot(conn, self._provider, permit.slot, permit.until)
        if hold_back_s > 0:
            rows.hold_back(conn, self._provider, hold_back_s)
