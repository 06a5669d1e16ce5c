"""What needs a person: alerts that nobody has seen to, and what the ledger shows by itself, each with what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from psycopg import Connection

from api.review.words import label, span
from shared.contracts import Outcome
from shared.db import alerts, glance, job_stats
from shared.db.alerts import Alert
from shared.db.glance import ClosedProvider, Standing
from shared.db.job_stats import LateQueue
from shared.loop.evaluate import summary_of
from shared.settings import get_settings

_MOST: Final = 20
_COUNTED: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Something to see to. ``alert_id`` is set for what a person may close; the rest goes away by itself."""

    title: str
    sentence: str
    advice: str
    place: str
    place_name: str
    bad: bool = True
    at: datetime | None = None
    alert_id: int | None = None


class _Words(NamedTuple):
    title: str
    advice: str
    place: str
    place_name: str


# Kinds of the table `alerts`, for people. Some sentences say already what to do.
_KINDS: Final[Mapping[str, _Words]] = {
    "model-sunset": _Words("A provider ends a model", "", "/provider", "Dates of providers"),
    "model-unreadable": _Words(
        "A model cannot be loaded", "Roll back to the model before it, or train it again.", "/models", "Models"
    ),
    "fine-tune-parked": _Words("A fine-tune hangs in the air", "", "/provider", "Fine-tunes"),
    "fine-tune-twice": _Words("A fine-tune was made twice", "", "/provider", "Fine-tunes"),
}


def attention(conn: Connection, standings: Sequence[Standing]) -> list[Attention]:
    """Return what needs a person, the worst first."""
    seconds = get_settings().queue_late_seconds
    late = job_stats.late_queues(conn, seconds=seconds, cap=_COUNTED)
    more = sum(each.jobs for each in late) >= _COUNTED
    found = [
        *(_late(each, more=more) for each in late),
        *(_closed(each) for each in glance.closed_providers(conn)),
        *(_raised(each) for each in alerts.list_alerts(conn, limit=_MOST, only_open=True)),
        *(_gate(each) for each in standings if each.outcome not in {None, Outcome.PASS}),
    ]
    return sorted(found, key=lambda each: not each.bad)


def _late(late: LateQueue, *, more: bool) -> Attention:
    """Tell of a queue that is late. ``more``: not all of its jobs were counted."""
    many = "1 due job waits" if late.jobs == 1 else f"{late.jobs:,}{' or more' if more else ''} due jobs wait"
    if late.running:
        return Attention(
            title=f"The queue {late.queue} is behind",
            sentence=f"{many} while others run, the oldest for {span(late.oldest_seconds)}.",
            advice=f"Wait, cancel what is not needed, or start another worker of {late.queue}.",
            place=f"/jobs?queue={late.queue}",
            place_name="Its jobs",
            bad=False,
        )
    return Attention(
        title=f"The queue {late.queue} is stuck",
        sentence=f"{many}, the oldest for {span(late.oldest_seconds)}, and no worker seems to be there.",
        advice=f"See with tuneyard status whether a worker of {late.queue} runs, and its log if it does.",
        place=f"/jobs?queue={late.queue}",
        place_name="Its jobs",
    )


def _closed(closed: ClosedProvider) -> Attention:
    return Attention(
        title=f"{closed.provider} is closed",
        sentence=f"It takes no fine-tune from this account any more; the last was of {_surface(closed)}.",
        advice="Set OPENAI_BASE_URL to another server, or leave it empty for our own trainer, and retrain.",
        place=f"/jobs/{closed.job_id}" if closed.job_id else "/provider",
        place_name="The job" if closed.job_id else "Fine-tunes",
        at=closed.at,
    )


def _raised(alert: Alert) -> Attention:
    words = _KINDS.get(alert.kind) or _Words(label(alert.kind), "", "", "")
    sentence = alert.message[:1].upper() + alert.message[1:]
    return Attention(
        title=words.title, sentence=sentence, advice=words.advice, place=words.place, place_name=words.place_name,
        at=alert.at, alert_id=alert.id,
    )  # fmt: skip


def _gate(standing: Standing) -> Attention:
    failed = standing.outcome is Outcome.FAIL
    is_candidate = standing.evaluated_id == standing.candidate_id
    meanwhile = "The active model answers" if standing.active_id else "The fallback answers"
    who = f"candidate {standing.candidate_version}" if is_candidate else f"active model {standing.active_version}"
    return Attention(
        title=f"{_surface(standing)}: a gate {'failed' if failed else 'cannot tell'}",
        sentence=f"The {who}: {summary_of(standing.verdicts or ())}",
        advice=(
            f"Look at where it falls behind, label more of that, and retrain. {meanwhile} meanwhile."
            if failed
            else "Label more, then retrain; or promote it with force and a reason, where only rows are missing."
        ),
        place=f"/models/{standing.evaluated_id}",
        place_name="The evaluation",
        bad=failed,
        at=standing.evaluated_at,
    )


def _surface(of: Standing | ClosedProvider) -> str:
    return label(of.pipeline) if of.surface == "default" else f"{label(of.pipeline)}, {label(of.surface).lower()}"
