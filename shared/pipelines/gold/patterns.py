"""Situations that a snapshot can show, with a decision and a boundary for each: what ``gold.autofill`` drafts from.

Plain rules, the first that applies wins; so a draft is deterministic, and a person can say why it says what it says.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from shared.contracts import JsonObject
from shared.pipelines.gold.contracts import Confidence, GoldAnswer, Snapshot, evidence_entries
from shared.pipelines.gold.policy import policy

Strength = Callable[[Mapping[str, Any]], float]
"""How far a situation goes beyond what is usual, from the values of a snapshot by path; below 1 it does not apply."""


class Situation(NamedTuple):
    """A situation: how to see it, the paths that show it (the telling one first), and what follows."""

    name: str
    strength: Strength
    paths: tuple[str, ...]
    decision: str
    boundary: str
    why_this_now: str
    one_sentence_pattern: str


def _count(path: str, usual: int) -> Strength:
    return lambda values: values.get(path, 0) / usual


def _among(path: str, bands: Mapping[str, float]) -> Strength:
    return lambda values: bands.get(values.get(path, ""), 0.0)


SITUATIONS: Final = (
    Situation(
        "overdue",
        _count("signals.invoices.overdue.over_30_days", 4),
        ("signals.invoices.overdue.over_30_days", "signals.invoices.overdue.count",
         "signals.invoices.overdue.balance_band"),
        "Call every client whose invoice is over 30 days late, the oldest first.",
        "Start no new job for a client with an invoice over 60 days late.",
        "Money that is late for a month rarely comes by itself.",
        "Work goes on while payment stands still.",
    ),
    Situation(
        "unbilled",
        _count("signals.jobs.not_invoiced.count", 5),
        ("signals.jobs.not_invoiced.count", "signals.jobs.not_invoiced.value_band", "signals.jobs.closed.count"),
        "Send the invoices of all closed jobs this week.",
        "Let no closed job wait more than three days for its invoice.",
        "Closed jobs without an invoice earn nothing yet.",
        "Jobs end faster than they are billed.",
    ),
    Situation(
        "late-jobs",
        _count("signals.jobs.late.count", 5),
        ("signals.jobs.late.count", "signals.jobs.created.count", "signals.jobs.closed.count"),
        "Finish the jobs that are behind their start date before booking more.",
        "Book no start within the next seven days while a job is late.",
        "Every new booking pushes the late ones further back.",
        "More is promised than the crews can begin.",
    ),
    Situation(
        "thin-margin",
        _among("signals.jobs.closed.margin_band", {"loss": 2.0, "under-15": 1.2}),
        ("signals.jobs.closed.margin_band", "signals.jobs.closed.count", "signals.jobs.closed.revenue_band"),
        "Raise the price of the next quotes to cost plus thirty percent.",
        "Send no quote below cost plus fifteen percent.",
        "Jobs that close at this margin pay for no mistake.",
        "Revenue grows and nothing is left of it.",
    ),
    Situation(
        "stale-quotes",
        _count("signals.quotes.waiting.over_14_days", 8),
        ("signals.quotes.waiting.over_14_days", "signals.quotes.waiting.count", "signals.quotes.waiting.value_band"),
        "Follow up every quote that has waited over 14 days, the largest first.",
        "Write to no client more than once a week about the same quote.",
        "A quote that waits this long is mostly forgotten, not refused.",
        "Quotes are sent and then left alone.",
    ),
    Situation(
        "low-win",
        _among("signals.quotes.won_band", {"under-25": 1.2}),
        ("signals.quotes.won_band", "signals.quotes.sent.count", "signals.quotes.sent.value_band"),
        "Ask each client who said no for the one reason.",
        "Change no price before ten reasons are written down.",
        "Most answers are a no, and nobody knows why.",
        "Many quotes go out and few come back.",
    ),
    Situation(
        "slow-payment",
        _among("signals.invoices.paid.days_to_paid_band", {"31-60": 1.1, "over-60": 1.6}),
        ("signals.invoices.paid.days_to_paid_band", "signals.invoices.paid.count", "signals.invoices.issued.count"),
        "Ask for a deposit before the start of each new job.",
        "Order no material for a job without its deposit.",
        "Invoices are paid, but weeks after the work.",
        "The firm lends its clients the money for their jobs.",
    ),
    Situation(
        "unscheduled",
        _count("signals.jobs.unscheduled.count", 6),
        ("signals.jobs.unscheduled.count", "signals.jobs.created.count"),
        "Put a start date on every open job before the week ends.",
        "Accept no further job until each open one has a date.",
        "Jobs without a date are the first that clients take elsewhere.",
        "Work is won faster than it is planned.",
    ),
)  # fmt: skip

STEADY: Final = Situation(
    "steady",
    lambda _: 0.5,
    ("signals.quotes.sent.count", "signals.invoices.issued.count", "signals.jobs.closed.count"),
    "Keep the present pace and change one thing at most.",
    "Take on no more work than was closed in the window before.",
    "Nothing in these weeks asks for more.",
    "Quotes, jobs and payments move together.",
)
"""What follows when no situation applies."""


def values_of(signals: JsonObject) -> dict[str, Any]:
    """Return a snapshot's values by path, ``signals.quotes.sent.count`` and so on."""
    found: dict[str, Any] = {}

    def collect(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                collect(f"{path}.{name}", inner)
        else:
            found[path] = value

    collect("signals", signals)
    return found


def draft(snapshot: Snapshot) -> GoldAnswer:
    """Return what the rules conclude: of the situation that applies first, with its evidence."""
    values = values_of(snapshot.as_json()["signals"])
    found = next((each for each in SITUATIONS if each.strength(values) >= 1), STEADY)
    confidence: Confidence = "low" if found is STEADY else "medium"
    return answer_of(found, snapshot, confidence)


def answer_of(situation: Situation, snapshot: Snapshot, confidence: Confidence) -> GoldAnswer:
    """Return the answer that follows from a situation, grounded in this snapshot."""
    return GoldAnswer(
        decision=situation.decision,
        boundary=situation.boundary,
        why_this_now=situation.why_this_now,
        one_sentence_pattern=situation.one_sentence_pattern,
        confidence=confidence,
        evidence=evidence_for(situation, snapshot),
    )


def evidence_for(situation: Situation, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the entries that show a situation, and others where it has none; as many as the policy suggests."""
    signals = snapshot.as_json()["signals"]
    values = values_of(signals)
    telling = [f"{path}={values[path]}" for path in situation.paths if path in values]
    others = [entry for entry in evidence_entries(signals) if entry not in telling]
    return tuple((telling or others)[: policy().suggested_evidence])


def suggested_evidence(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the entries that a draft of this snapshot suggests."""
    return draft(snapshot).evidence
