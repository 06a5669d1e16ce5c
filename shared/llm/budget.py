"""The budgets: what fine-tunes and completions may cost in a month, and one fine-tune by itself.

A fine-tune's estimate is reserved before anything is sent, and settled with the true figure afterwards; a completion is
booked when it was answered. Both are counted in the month (UTC) in which they began.
"""

from dataclasses import dataclass
from typing import Final, Literal

from psycopg import Connection

from shared.db import spend
from shared.db.spend import Month
from shared.errors import RefusedError
from shared.settings import Settings, get_settings

EXCEEDED: Final = "budget-exceeded"
_CENT: Final = 0.005


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What is to be paid: for whom, for what, how much (US dollars), and for which job."""

    provider: str
    model: str
    purpose: str
    usd: float
    tokens_in: int = 0
    tokens_out: int = 0
    job_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits in US dollars."""

    month_usd: float
    job_usd: float

    @classmethod
    def of(cls, settings: Settings) -> "Budget":
        """Return the limits that the settings name."""
        return cls(month_usd=settings.llm_monthly_budget_usd, job_usd=settings.llm_job_budget_usd)


def reserve(conn: Connection, reference: str, cost: Cost, budget: Budget | None = None) -> None:
    """Promise what a fine-tune will cost, before anything is sent. The same reference is promised once only.

    ``reference`` is the run's id. Free work is always allowed. Raises RefusedError (``budget-exceeded``) that names
    the limit and the setting that raises it; nothing is written then.
    """
    limits = budget or Budget.of(get_settings())
    if cost.usd > limits.job_usd:
        raise _exceeded(
            f"this fine-tune would cost {_usd(cost.usd)}, and one may cost {_usd(limits.job_usd)}",
            setting="LLM_JOB_BUDGET_USD",
            instead="train on fewer rows or a cheaper base model",
            asked=cost.usd,
            limit=limits.job_usd,
        )
    spend.lock_month(conn)
    if spend.find(conn, reference) is not None:
        return
    month = spend.month_total(conn)
    if cost.usd > 0 and month.spent + cost.usd > limits.month_usd:
        raise _month_exceeded(month, limits, cost.usd)
    _write(conn, reference, cost, kind="reserved")


def settle(conn: Connection, reference: str, usd: float, *, tokens: int | None = None) -> None:
    """Book what a fine-tune has cost in the end, in place of its reservation; without one, nothing happens."""
    spend.settle(conn, reference, usd=usd, tokens_in=tokens)


def release(conn: Connection, reference: str) -> None:
    """Take back the reservation of a fine-tune that was never billed."""
    spend.release(conn, reference)


def book(conn: Connection, reference: str, cost: Cost) -> None:
    """Write down what a completion has cost; the same reference counts once. Never refuses: it is paid already."""
    _write(conn, reference, cost, kind="booked")


def require_month(conn: Connection, budget: Budget | None = None, *, usd: float = 0.0) -> None:
    """Refuse when the month's budget is used up, or would be passed by ``usd`` more: for completions, before they ask.

    Raises RefusedError (``budget-exceeded``).
    """
    limits = budget or Budget.of(get_settings())
    month = spend.month_total(conn)
    if month.spent + usd > limits.month_usd or (month.spent > 0 and month.spent >= limits.month_usd):
        raise _month_exceeded(month, limits, usd)


def month_total(conn: Connection) -> Month:
    """Return what this month has cost so far."""
    return spend.month_total(conn)


def _write(conn: Connection, reference: str, cost: Cost, *, kind: Literal["reserved", "booked"]) -> None:
    spend.insert(
        conn, reference, kind=kind, provider=cost.provider, model=cost.model, purpose=cost.purpose, usd=cost.usd,
        job_id=cost.job_id, tokens_in=cost.tokens_in, tokens_out=cost.tokens_out,
    )  # fmt: skip


def _month_exceeded(month: Month, limits: Budget, asked: float) -> RefusedError:
    return _exceeded(
        f"{month.month:%B %Y} has cost {_usd(month.spent)} so far, this would add {_usd(asked)}, and a month may cost"
        f" {_usd(limits.month_usd)}",
        setting="LLM_MONTHLY_BUDGET_USD",
        instead="wait for the next month",
        asked=asked,
        limit=limits.month_usd,
        month=f"{month.month:%Y-%m}",
        spent=round(month.spent, 6),
    )


def _exceeded(message: str, *, setting: str, instead: str, **figures: float | str) -> RefusedError:
    return RefusedError(
        message,
        code=EXCEEDED,
        advice=f"raise {setting}, {instead}, or train with our own trainer, which is free",
        setting=setting,
        **figures,
    )


def _usd(amount: float) -> str:
    """Show money: cents, or more digits where there are no cents."""
    return f"${amount:,.2f}" if amount >= _CENT or not amount else f"${amount:.6f}"
