"""What providers have cost this month, and what they may cost."""

from fastapi import APIRouter
from psycopg import Connection
from pydantic import Field

from api.deps import FrontDep, Reader
from api.transaction import reading
from api.views import View
from shared.db import spend

router = APIRouter(prefix="/v1/llm", tags=["llm"])


class Share(View):
    """What one kind of work has cost this month, in US dollars."""

    provider: str = Field(examples=["openai"])
    model: str = Field(examples=["gpt-4o-mini-2024-07-18"])
    purpose: str = Field(examples=["fine-tune"])
    usd: float
    entries: int


class Spending(View):
    """The present calendar month (UTC), in US dollars.

    ``reserved`` is promised for fine-tunes under way, ``booked`` is paid; both together stay below ``limit``.
    """

    month: str = Field(examples=["2026-11"])
    reserved: float
    booked: float
    limit: float
    job_limit: float
    shares: list[Share]


@router.get("/spend", name="llm.spend", summary="What has this month cost?")
@reading
def show_spending(conn: Connection, *, _who: Reader, front: FrontDep) -> Spending:
    """Show what fine-tunes and completions have cost this month, and the limits that the settings give."""
    month = spend.month_total(conn)
    shares = [
        Share(provider=provider, model=model, purpose=purpose, usd=usd, entries=entries)
        for provider, model, purpose, usd, entries in spend.by_purpose(conn)
    ]
    return Spending(
        month=f"{month.month:%Y-%m}",
        reserved=month.reserved,
        booked=month.booked,
        limit=front.settings.llm_monthly_budget_usd,
        job_limit=front.settings.llm_job_budget_usd,
        shares=shares,
    )
