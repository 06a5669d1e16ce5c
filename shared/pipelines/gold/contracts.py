"""What gold takes and gives: a snapshot of a business over a window of days, and one decision with one boundary.

A snapshot holds counts and bands only, each under a name that is written here: text from a report has no place in it,
and so no personal data either. What did not happen is left out, so a path that is there always says something.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from shared.contracts import Contract, JsonObject
from shared.errors import InvalidInputError
from shared.ids import EXAMPLE, canonical_json, content_id

NAME: Final = "gold"
FIELDS: Final = ("decision", "boundary", "why_this_now", "one_sentence_pattern", "confidence")
"""What a person fills in, in the order of ``drafts.json``."""
MAX_TEXT_CHARS: Final = 500
MAX_EVIDENCE: Final = 12
EVIDENCE_ROOT: Final = "signals"

MoneyBand = Literal["0", "under-1k", "1k-5k", "5k-20k", "20k-50k", "50k-100k", "100k-250k", "over-250k"]
"""A sum of money in the currency of the reports. The lower end belongs to the band."""
ShareBand = Literal["under-25", "25-50", "50-75", "over-75"]
"""A share in percent."""
MarginBand = Literal["loss", "under-15", "15-30", "30-50", "over-50"]
"""Profit in percent of the revenue."""
DelayBand = Literal["under-7", "7-14", "15-30", "31-60", "over-60"]
"""A typical number of days (the median)."""
Confidence = Literal["low", "medium", "high"]


def _iso_date(value: Any) -> Any:
    if isinstance(value, str):
        return date.fromisoformat(value)
    if type(value) is date:
        return value
    raise ValueError("a date must be text as 2026-01-31")


Day = Annotated[date, BeforeValidator(_iso_date)]
Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]
Some = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]


class Window(Contract):
    """The days that a snapshot looks at, first and last included."""

    first: Day = Field(alias="from")
    last: Day = Field(alias="to")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last < self.first:
            raise ValueError("the window ends before it begins")
        return self


class Counted(Contract):
    """How many."""

    count: Some


class Valued(Counted):
    """How many, and what they are worth together."""

    value_band: MoneyBand


class WaitingQuotes(Valued):
    """Quotes that were sent and have no answer at the window's end; how many for over 14 days."""

    over_14_days: Count


class PaidInvoices(Valued):
    """Invoices paid in the window, and how long that typically took."""

    days_to_paid_band: DelayBand


class OverdueInvoices(Counted):
    """Invoices past their due date at the window's end, what they are worth, and how many for how long."""

    balance_band: MoneyBand
    over_30_days: Count
    over_60_days: Count


class ClosedJobs(Counted):
    """Jobs closed in the window, with their revenue and margin."""

    revenue_band: MoneyBand
    margin_band: MarginBand | None = None


class QuoteSignals(Contract):
    """What the quotes report says. ``won_band``: the share of answered quotes that were approved."""

    sent: Valued | None = None
    approved: Valued | None = None
    changes_requested: Counted | None = None
    waiting: WaitingQuotes | None = None
    won_band: ShareBand | None = None


class InvoiceSignals(Contract):
    """What the invoices report says."""

    issued: Valued | None = None
    paid: PaidInvoices | None = None
    overdue: OverdueInvoices | None = None


class JobSignals(Contract):
    """What the jobs report says. The last three are as they stand at the window's end."""

    created: Counted | None = None
    closed: ClosedJobs | None = None
    unscheduled: Counted | None = None
    late: Counted | None = None
    not_invoiced: Valued | None = None


class Signals(Contract):
    """One part for each report that was given."""

    quotes: QuoteSignals | None = None
    invoices: InvoiceSignals | None = None
    jobs: JobSignals | None = None

    @model_validator(mode="after")
    def _not_nothing(self) -> Self:
        if self.quotes is None and self.invoices is None and self.jobs is None:
            raise ValueError("a snapshot needs the signals of one report at least")
        return self


class Snapshot(Contract):
    """A business over a window of days."""

    window: Window
    signals: Signals

    def as_json(self) -> JsonObject:
        """Return the snapshot's JSON, without what did not happen."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def canonical(self) -> str:
        """Return the one text of this snapshot: equal snapshots give equal bytes."""
        return canonical_json(self.as_json()).decode()


Sentence = Annotated[str, Field(strict=True, max_length=MAX_TEXT_CHARS)]


class GoldAnswer(Contract):
    """One decision and one boundary, with the signals that they rest on (``signals.<path>=<value>``)."""

    decision: Sentence = Field(min_length=1, description="The one thing to do.")
    boundary: Sentence = Field(min_length=1, description="The one line that must not be crossed while doing it.")
    why_this_now: Sentence = Field(default="", description="Why this, and why now.")
    one_sentence_pattern: Sentence = Field(default="", description="The pattern behind it, in one sentence.")
    confidence: Confidence
    evidence: tuple[Annotated[str, Field(strict=True, max_length=200)], ...] = Field(
        default=(), max_length=MAX_EVIDENCE, description="Entries `signals.<path>=<value>`, as the snapshot has them."
    )


_TEXT: Final[JsonObject] = {"type": "string"}
ANSWER_SCHEMA: Final[JsonObject] = {
    "type": "object",
    "properties": {
        "decision": _TEXT,
        "boundary": _TEXT,
        "why_this_now": _TEXT,
        "one_sentence_pattern": _TEXT,
        "confidence": {"type": "string", "enum": ["low", "medium", "high"]},
        "evidence": {"type": "array", "items": _TEXT},
    },
    "required": [*FIELDS, "evidence"],
    "additionalProperties": False,
}
"""The JSON schema of an answer, in the subset that strict structured outputs accept (no lengths)."""


def parse_snapshot(raw: Any) -> Snapshot:
    """Read a snapshot from its JSON. Raises InvalidInputError that names the wrong paths, and none of their values."""
    if not isinstance(raw, Mapping):
        raise InvalidInputError("a snapshot is a JSON object with `window` and `signals`")
    try:
        return Snapshot.model_validate(raw)
    except ValidationError as error:
        raise InvalidInputError(
            f"this is no snapshot: {_named_faults(error)}",
            advice="send a snapshot as gold.export-drafts writes it: `window` and `signals`, known names only",
        ) from None


_REASONS: Final = {"missing": "is missing", "extra_forbidden": "is no name that a snapshot has"}


def _named_faults(error: ValidationError) -> str:
    """Return the wrong paths. A name that a snapshot does not have is not repeated: it may be anything."""
    faults = []
    for item in error.errors(include_url=False, include_input=False, include_context=False)[:5]:
        unknown = item["type"] == "extra_forbidden"
        path = ".".join(str(part) for part in (item["loc"][:-1] if unknown else item["loc"])) or "snapshot"
        faults.append(f"a field in {path} {_REASONS['extra_forbidden']}" if unknown else f"{path} {_reason(item)}")
    return "; ".join(faults)


def _reason(item: Mapping[str, Any]) -> str:
    return _REASONS.get(item["type"], "has a value that it cannot have")


def example_id(snapshot: Snapshot) -> str:
    """Derive an example's id from its snapshot: the same snapshot has the same id on any machine, after any reset."""
    return content_id(EXAMPLE, NAME, snapshot.canonical())


def evidence_of(snapshot: Snapshot) -> tuple[str, ...]:
    """Return every entry that may stand as evidence for an answer to this snapshot, sorted by path."""
    return evidence_entries(snapshot.as_json()[EVIDENCE_ROOT])


def evidence_entries(signals: JsonObject) -> tuple[str, ...]:
    """Return ``signals.<path>=<value>`` for each value of a snapshot's ``signals``, sorted by path."""
    return tuple(f"{path}={value}" for path, value in sorted(_leaves(EVIDENCE_ROOT, signals)))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}", inner)
    else:
        yield path, value
