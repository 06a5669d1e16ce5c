"""SQL of the tables ``llm_answers`` (the cache of completions) and ``llm_limits`` (what is asked at once)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject


@dataclass(frozen=True, kw_only=True)
class CachedAnswer:
    """An answer to an identical request. ``text`` is None while somebody is still asking.

    ``seconds`` is how long the provider took for it; None: nobody knows any more. ``tokens`` are its tokens with their
    likelihoods (``Token`` of ``shared/llm/chat.py``); None: not known.
    """

    text: str | None
    model: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float | None = None
    tokens: list[JsonObject] | None = None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much a provider is being asked. ``now`` is the database's clock: the only one that all processes share.

    An instant of None is one that never was; so is a free slot's.
    """

    allowance: float
    refilled_at: datetime | None
    blocked_until: datetime | None
    slots: list[datetime | None]
    now: datetime


_FIND: Final = """
SELECT text, coalesce(model, '') AS model, coalesce(finish_reason, '') AS finish_reason,
       coalesce(prompt_tokens, 0) AS prompt_tokens, coalesce(completion_tokens, 0) AS completion_tokens,
       seconds, tokens
FROM llm_answers WHERE key = %(key)s AND (asking_until > now() OR (text IS NOT NULL AND at > now() - %(age)s))
"""


def find_answer(conn: Connection, key: bytes, *, age: timedelta) -> CachedAnswer | None:
    """Return the answer to this request that is no older than ``age``, or a row without text if somebody is asking."""
    with conn.cursor(row_factory=class_row(CachedAnswer)) as cursor:
        return cursor.execute(_FIND, {"key": key, "age": age}).fetchone()


_CLAIM: Final = """
INSERT INTO llm_answers AS a (key, provider, asking_until) VALUES (%(key)s, %(provider)s, now() + %(lease)s)
ON CONFLICT (key) DO UPDATE SET
    asking_until = excluded.asking_until, at = excluded.at,
    text = NULL, model = NULL, finish_reason = NULL, prompt_tokens = NULL, completion_tokens = NULL, seconds = NULL,
    tokens = NULL
WHERE a.asking_until <= now() OR (a.asking_until IS NULL AND a.at <= now() - %(age)s)
RETURNING asking_until
"""


def claim_question(conn: Connection, key: bytes, *, provider: str, lease: timedelta, age: timedelta) -> datetime | None:
    """Take it on oneself to ask, for as long as ``lease``. None: there is an answer, or somebody else asks.

    The instant is the claim's fencing token: whoever was overtaken writes nothing.
    """
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(_CLAIM, {"key": key, "provider": provider, "lease": lease, "age": age}).fetchone()


_ANSWER: Final = """
UPDATE llm_answers SET asking_until = NULL, at = now(), text = %(text)s, model = %(model)s,
    finish_reason = %(finish_reason)s, prompt_tokens = %(prompt_tokens)s, completion_tokens = %(completion_tokens)s,
    seconds = %(seconds)s, tokens = %(tokens)s
WHERE key = %(key)s AND asking_until = %(claim)s
"""


def keep_answer(conn: Connection, key: bytes, claim: datetime, answer: CachedAnswer) -> None:
    """Write the answer down for whoever asks the same; nothing happens when another one has taken the claim over."""
    tokens = None if answer.tokens is None else Jsonb(answer.tokens)
    conn.execute(_ANSWER, {"key": key, "claim": claim, **vars(answer) | {"tokens": tokens}})


def replace_answer(conn: Connection, key: bytes, text: str) -> None:
    """Keep another text in the place of an answer's own; nothing happens while the question is being asked again."""
    conn.execute("UPDATE llm_answers SET text = %s, tokens = NULL WHERE key = %s AND asking_until IS NULL", [text, key])


def release_question(conn: Connection, key: bytes, claim: datetime) -> None:
    """Give a claim up without an answer: the next one may ask at once."""
    conn.execute("DELETE FROM llm_answers WHERE key = %s AND asking_until = %s", [key, claim])


_PRUNE: Final = """
DELETE FROM llm_answers WHERE key IN (
    SELECT key FROM llm_answers WHERE at < now() - %s AND (asking_until IS NULL OR asking_until < now()) LIMIT %s
)
"""


def prune_answers(conn: Connection, age: timedelta, limit: int) -> int:
    """Forget answers older than ``age`` and questions whose asker died, at most ``limit``; returns how many."""
    return conn.execute(_PRUNE, [age, limit]).rowcount


def book_abandoned(conn: Connection, prefix: str, age: timedelta) -> int:
    """Book what was reserved so long ago for completions (references with this prefix): their askers have died.

    Nobody knows whether the provider billed them, so what they can have cost at the most is counted.
    """
    return conn.execute(
        "UPDATE spend SET kind = 'booked' WHERE kind = 'reserved' AND starts_with(reference, %s) AND at < now() - %s",
        [prefix + "_", age],
    ).rowcount


_LOCK_LIMITS: Final = (
    "SELECT allowance, refilled_at, blocked_until, slots, clock_timestamp() AS now FROM llm_limits"
    " WHERE provider = %s FOR UPDATE"
)


def lock_limits(conn: Connection, provider: str) -> Limits:
    """Lock and return a provider's limits; one that was never asked has all of its allowance still to come."""
    with conn.cursor(row_factory=class_row(Limits)) as cursor:
        row = cursor.execute(_LOCK_LIMITS, [provider]).fetchone()
        if row is None:
            cursor.execute("INSERT INTO llm_limits (provider) VALUES (%s) ON CONFLICT DO NOTHING", [provider])
            row = cursor.execute(_LOCK_LIMITS, [provider]).fetchone()
        assert row is not None  # noqa: S101  (nobody deletes limits)
        return row


_TAKE_SLOT: Final = """
UPDATE llm_limits
SET allowance = %(allowance)s, refilled_at = greatest(refilled_at, %(now)s), slots[%(slot)s::int] = %(until)s
WHERE provider = %(provider)s
"""


def take_slot(conn: Connection, provider: str, *, slot: int, until: datetime, allowance: float, now: datetime) -> None:
    """Write down that a request is sent: ``slot`` (from 1) is taken until then. The row is locked."""
    conn.execute(_TAKE_SLOT, {"provider": provider, "slot": slot, "until": until, "allowance": allowance, "now": now})


def free_slot(conn: Connection, provider: str, slot: int, until: datetime) -> None:
    """Give a slot back, unless it was overdue and another one has it."""
    conn.execute(
        "UPDATE llm_limits SET slots[%(slot)s::int] = NULL"
        " WHERE provider = %(provider)s AND slots[%(slot)s::int] = %(until)s",
        {"provider": provider, "slot": slot, "until": until},
    )


def hold_back(conn: Connection, provider: str, seconds: float) -> None:
    """Ask a provider nothing for so long, in no process."""
    conn.execute(
        "UPDATE llm_limits SET blocked_until = greatest(blocked_until, now() + make_interval(secs => %s))"
        " WHERE provider = %s",
        [seconds, provider],
    )
