"""Rules of ``quant_signals``: each signal has a strength, 1 where it is bad and a half where it needs watching.

A strength is how far a figure is beyond what a business of this kind can live with; every signal states its limit. The
strongest come first; a signal whose figures are missing is not made up, and the area is named as a gap.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, get_args

from shared.pipelines.stages.contracts import values_of
from shared.pipelines.stages.contracts_inputs import QuantSignalsInput
from shared.pipelines.stages.contracts_outputs import QuantSignalsOutput, Signal, SignalName
from shared.pipelines.stages.contracts_parts import Area, Confidence
from shared.pipelines.stages.deterministic_parts import Values, entries

BAD: Final = 1.0
WATCH: Final = 0.5
_MOST: Final = 4
_QUARTER: Final = 3  # months: fewer say little


class Reading(NamedTuple):
    """One signal: how strong it is, the paths that it needs (the telling one first), and what it then means."""

    name: SignalName
    strength: Callable[[Values], float]
    paths: tuple[str, ...]
    bad: str
    watch: str
    good: str


def _share(part: str, whole: str, limit: float) -> Callable[[Values], float]:
    return lambda values: values[part] / max(values[whole], 1) / limit


READINGS: Final = (
    Reading(  # bad from four weeks downwards
        "cash_runway", lambda v: 4 / max(v["money.cash_weeks"], 1), ("money.cash_weeks",),
        "The cash at hand runs out within a month if nothing comes in.",
        "The cash at hand lasts two months at most.",
        "There is cash for more than two months.",
    ),
    Reading(  # bad from 40 percent overdue, or 60 days to money
        "late_payment", lambda v: max(v["invoices.overdue_pct"] / 40, v["invoices.days_to_paid"] / 60),
        ("invoices.overdue_pct", "invoices.days_to_paid", "invoices.overdue_over_60_days"),
        "Clients live on the business's money: much of what is owed is past its day.",
        "Money comes in later than it should.",
        "Clients pay in time.",
    ),
    Reading(  # bad from 5 percent downwards
        "margin", lambda v: (20 - v["money.margin_pct"]) / 15, ("money.margin_pct", "money.revenue_change_pct"),
        "Almost nothing is left of the revenue.",
        "The margin pays for no mistake.",
        "The margin carries the business.",
    ),
    Reading(  # bad from 25 percent downwards
        "win_rate", lambda v: (45 - v["quotes.won_pct"]) / 20, ("quotes.won_pct", "quotes.sent"),
        "Most quotes are work for nothing.",
        "Fewer quotes are won than a healthy business wins.",
        "Enough of the quotes become work.",
    ),
    Reading(  # bad from 40 percent of the quotes
        "quote_follow_up", _share("quotes.waiting_over_14_days", "quotes.sent", 0.4),
        ("quotes.waiting_over_14_days", "quotes.sent", "quotes.days_to_answer"),
        "Quotes are sent and then left alone.",
        "Some quotes wait for a call that nobody makes.",
        "Open quotes are followed up.",
    ),
    Reading(  # bad when little more than a week is booked
        "backlog", lambda v: 1.5 / max(v["jobs.weeks_booked_ahead"], 1), ("jobs.weeks_booked_ahead", "jobs.finished"),
        "There is work for little more than a week.",
        "The book is thinner than planning needs.",
        "There is work booked for weeks.",
    ),
    Reading(  # bad from a quarter of the jobs
        "late_work", _share("jobs.late", "jobs.finished", 0.25), ("jobs.late", "jobs.finished"),
        "Promised days are missed so often that clients must notice.",
        "More jobs are late than should be.",
        "Jobs are done on the promised day.",
    ),
    Reading(  # bad from one job in ten
        "rework", _share("jobs.reworked", "jobs.finished", 0.1), ("jobs.reworked", "jobs.finished"),
        "Too much work is done twice and paid once.",
        "Work that is done twice eats into the week.",
        "Work is right the first time.",
    ),
    Reading(  # bad from 95 percent, or 12 hours of overtime
        "capacity", lambda v: max((v["capacity.utilisation_pct"] - 70) / 25, v["capacity.overtime_hours_a_week"] / 12),
        ("capacity.utilisation_pct", "capacity.overtime_hours_a_week", "capacity.open_positions"),
        "The people have no hour left.",
        "The week is nearly full: one absence tips it.",
        "There is room for more work.",
    ),
    Reading(  # bad from 15 percent less
        "growth", lambda v: -v["money.revenue_change_pct"] / 15, ("money.revenue_change_pct",),
        "Revenue falls sharply against the year before.",
        "Revenue is a little below the year before.",
        "Revenue holds or grows.",
    ),
    Reading(  # bad from 45 percent of the revenue
        "client_concentration", lambda v: v["money.largest_client_pct"] / 45, ("money.largest_client_pct",),
        "One client could take half the business along.",
        "One client weighs heavily.",
        "No client is too large.",
    ),
    Reading(  # bad from 10 percent downwards
        "repeat_business", lambda v: (40 - v["money.repeat_pct"]) / 30, ("money.repeat_pct",),
        "Hardly a client comes back: every sale starts from nothing.",
        "Few clients come back.",
        "Clients come back.",
    ),
)  # fmt: skip
TITLES: Final[dict[SignalName, str]] = {
    "cash_runway": "the cash at hand",
    "late_payment": "late payment",
    "margin": "the margin",
    "win_rate": "the share of quotes won",
    "quote_follow_up": "following up quotes",
    "backlog": "the thin book",
    "late_work": "late work",
    "rework": "work done twice",
    "capacity": "full weeks",
    "growth": "revenue",
    "client_concentration": "the weight of one client",
    "repeat_business": "clients who do not come back",
}


def strengths(values: Values) -> list[tuple[float, Reading]]:
    """Return the readings that the figures allow with their strengths, the strongest first."""
    found = [(each.strength(values), each) for each in READINGS if each.paths[0] in values]
    return sorted(found, key=lambda pair: -pair[0])


def gaps_of(value: QuantSignalsInput) -> tuple[Area, ...]:
    """Return the areas that there are no figures of."""
    return tuple(area for area in get_args(Area) if getattr(value, area) is None)


def certainty(value: QuantSignalsInput) -> Confidence:
    """Return how much the figures can say at all: by the areas and the months that they cover."""
    gaps = len(gaps_of(value))
    if gaps > 2 or value.months < _QUARTER:  # noqa: PLR2004  (of five)
        return "low"
    return "high" if gaps == 0 else "medium"


def quant_signals(value: QuantSignalsInput) -> QuantSignalsOutput:
    """Return up to four signals, the most pressing first; among good ones only, the one nearest to its limit."""
    values = values_of(value)
    found = strengths(values)
    pressing = [pair for pair in found if pair[0] >= WATCH][:_MOST] or found[:1]
    return QuantSignalsOutput(
        schema_version="quant_signals_v1",
        signals=tuple(_signal(strength, reading, values) for strength, reading in pressing),
        gaps=gaps_of(value),
        summary=_summary(*pressing[0]),
        confidence=certainty(value),
    )


def _signal(strength: float, reading: Reading, values: Values) -> Signal:
    evidence = entries(values, reading.paths)
    if strength >= BAD:
        return Signal(name=reading.name, state="bad", meaning=reading.bad, evidence=evidence)
    if strength >= WATCH:
        return Signal(name=reading.name, state="watch", meaning=reading.watch, evidence=evidence)
    return Signal(name=reading.name, state="good", meaning=reading.good, evidence=evidence)


def _summary(strength: float, reading: Reading) -> str:
    if strength >= BAD:
        return f"What presses most is {TITLES[reading.name]}."
    if strength >= WATCH:
        return f"Nothing is bad; what needs watching first is {TITLES[reading.name]}."
    return "The figures show nothing that presses."
