"""Providers: fine-tunes and how they went, what it all costs, and what ends when."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final

from fastapi import Query
from markupsafe import Markup
from psycopg import Connection

from api.deps import FrontDep
from api.review import charts
from api.review.route import page, site_router
from shared.contracts import ModelState
from shared.db import models, provider_jobs, provider_looking, spend, sunsets
from shared.db.models import Model
from shared.db.provider_jobs import ProviderJob
from shared.db.provider_looking import Spent
from shared.db.spend import Month
from shared.llm.fine_tunes import WAYS_ON
from shared.llm.policy import llm_policy
from shared.llm.sunset import Sunset, endings

_site = site_router()
ROUTERS: Final = (_site,)

_PAGE: Final = 20
_CURVES: Final = 6
_STEPS: Final = 1000  # of a loss curve
_MONTHS: Final = 6
_ENTRIES: Final = 50_000  # of the ledger of spend, the latest ones
_MODELS: Final = 200
_ANNOUNCED: Final = 200

STATES: Final[Mapping[str, str]] = {
    "preflight": "being checked, nothing is sent yet",
    "upload": "sending the training file",
    "creating": "asking the provider to train",
    "create_unknown": "unclear whether the provider has started",
    "polling": "training at the provider",
    "succeeded": "trained",
    "failed": "failed",
    "failed_after_training": "trained, then refused by the provider's safety check",
    "cancelled": "cancelled",
    "provider_closed": "the provider does not train for this account",
}


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Something that ends, and which of our models depend on it."""

    sunset: Sunset
    days: int
    depends: Sequence[Model]


@dataclass(frozen=True, kw_only=True)
class Costs:
    """A month's spend: its sums, and those of its pipelines."""

    month: Month
    pipelines: Mapping[str, Spent]


@_site.get("/provider", name="site.provider")
@page("provider.html")
def show_provider(
    conn: Connection, front: FrontDep, cursor: Annotated[str | None, Query(pattern=r"^pj_[0-9a-f]{32}$")] = None
) -> Mapping[str, Any]:
    """Show fine-tunes, spend and sunsets."""
    found = provider_jobs.list_runs(conn, before=cursor, limit=_PAGE + 1)
    runs = found[:_PAGE]
    costs, names = _costs(conn)
    return {
        "runs": runs, "states": STATES, "curves": _curves(conn, runs), "cursor": cursor,
        "more": f"/provider?cursor={runs[-1].id}" if len(found) > _PAGE else None,
        "closed": next((run for run in runs if run.state == "provider_closed"), None) if cursor is None else None,
        "parked": [run for run in runs if run.parked_at and run.is_open],
        "ways_on": WAYS_ON, "ends": _ends(conn), "alert_days": llm_policy().sunset_watch.alert_days,
        "month": spend.month_total(conn), "budget": front.settings.llm_monthly_budget_usd,
        "job_budget": front.settings.llm_job_budget_usd, "prices_as_of": llm_policy().prices_as_of,
        "costs": costs, "names": names,
        "cut": _ENTRIES if sum(each.month.entries for each in costs) > _ENTRIES else None,
    }  # fmt: skip


def _curves(conn: Connection, runs: Sequence[ProviderJob]) -> list[tuple[ProviderJob, Markup]]:
    """Draw the losses of the latest fine-tunes that have any."""
    known = provider_looking.losses(conn, [run.id for run in runs], _STEPS)
    drawn = [run for run in runs if run.id in known][:_CURVES]
    return [(run, _curve(run, known[run.id])) for run in drawn]


def _curve(run: ProviderJob, losses: Sequence[tuple[int, float]]) -> Markup:
    name = run.pipeline if run.surface == "default" else f"{run.pipeline}, {run.surface}"
    points = [(float(step), loss) for step, loss in losses]
    return charts.line(f"Loss of {name}", [charts.Series(name="loss", points=points)], x="step", low=0.0)


def _costs(conn: Connection) -> tuple[list[Costs], list[str]]:
    """Return the latest months with what each pipeline has cost, and the names of those pipelines."""
    shares: dict[date, dict[str, Spent]] = defaultdict(dict)
    for each in provider_looking.spent(conn, months=_MONTHS, most=_ENTRIES):
        shares[each.month][each.pipeline] = each
    months = provider_looking.months(conn, _MONTHS)
    names = sorted({name for found in shares.values() for name in found})
    return [Costs(month=month, pipelines=shares[month.month]) for month in months], names


def _ends(conn: Connection) -> list[Ends]:
    """Return what is announced to end, the first to end first, with the active models that depend on it."""
    today = sunsets.today(conn)
    known = [
        Sunset(provider=rule.provider, model=rule.model, ends=rule.ends, note=rule.note) for rule in llm_policy().sunset
    ]
    listed: dict[str, dict[str, date]] = defaultdict(dict)
    for each in provider_looking.announced(conn, _ANNOUNCED):
        note = f"The list of models of {each.provider} says so."
        known.append(Sunset(provider=each.provider, model=each.model, ends=each.ends, note=note))
        listed[each.provider][each.model] = each.ends
    active = [
        (model, endings(model.parameters, listed[str(model.parameters.get("provider", ""))]))
        for model in models.list_models(conn, state=ModelState.ACTIVE.value, limit=_MODELS)
    ]
    known.sort(key=lambda sunset: (sunset.ends, sunset.provider, sunset.model))
    return [
        Ends(
            sunset=sunset,
            days=(sunset.ends - today).days,
            depends=[model for model, its in active if any(_same(sunset, one) for one in its)],
        )
        for sunset in known
    ]


def _same(sunset: Sunset, one: Sunset) -> bool:
    """Whether the end of a model's base is this one: a rule names a snapshot, or the beginning of a name."""
    alike = one.model.startswith(sunset.model) or sunset.model.startswith(one.model)
    return (sunset.provider, sunset.ends, sunset.note) == (one.provider, one.ends, one.note) and alike
