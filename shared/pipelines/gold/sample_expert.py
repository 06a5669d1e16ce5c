"""Plays the person who fills in ``drafts.json``, for a demo: with a judgement of their own, and now and then a slip.

Not the rules of ``gold.autofill``: where those take the first situation that applies, this person sees the one that
stands out most, and writes in other words.
"""

import json
import random
from pathlib import Path
from typing import Final

from shared.contracts import JsonObject
from shared.pipelines.gold.contracts import parse_snapshot
from shared.pipelines.gold.patterns import SITUATIONS, STEADY, Situation, evidence_for, values_of

_SLIP: Final = 0.03
_ASIDES: Final = (
    "signals.quotes.changes_requested.count", "signals.jobs.not_invoiced.count",
    "signals.invoices.overdue.over_60_days", "signals.jobs.late.count", "signals.jobs.unscheduled.count",
)  # fmt: skip

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "overdue": (
        "Phone the clients with invoices over a month late before any other office work.",
        "No crew goes out to a client who is two months behind.",
    ),
    "unbilled": (
        "Bill every closed job before the week is over.",
        "A closed job is billed within three days or nobody starts the next one.",
    ),
    "late-jobs": (
        "Clear the late jobs first and stop selling early dates.",
        "No promise of a start within a week while anything is late.",
    ),
    "thin-margin": (
        "Quote the next jobs at cost plus thirty percent.",
        "Walk away from any job below cost plus fifteen percent.",
    ),
    "stale-quotes": (
        "Follow up the quotes that have waited over two weeks, largest first.",
        "One message a week for a quote, never more.",
    ),
    "low-win": (
        "Ask every client who declined for the single reason.",
        "Leave prices alone until ten reasons are in.",
    ),
    "slow-payment": (
        "Take a deposit before each new job begins.",
        "Material is ordered only once the deposit is there.",
    ),
    "unscheduled": (
        "Give every open job a start date this week.",
        "Take on nothing new until all open jobs have one.",
    ),
    "steady": (
        "Carry on as now and change one thing at most.",
        "Do not take on more than was finished in these weeks.",
    ),
}


def answer_file(path: Path, *, seed: int = 42, share: float = 1.0) -> int:
    """Fill in a drafts file in place, or a share of its drafts; return how many now have an answer."""
    drafts = json.loads(path.read_text(encoding="utf-8"))
    answered = [_answered(draft, seed) if _chance(draft, seed, "answers") < share else draft for draft in drafts]
    path.write_text(json.dumps(answered, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return sum(bool(draft["decision"]) for draft in answered)


def _answered(draft: JsonObject, seed: int) -> JsonObject:
    snapshot = parse_snapshot({part: draft[part] for part in ("window", "signals")})
    situation, confidence = _judge(draft, seed)
    decision, boundary = _WORDS[situation.name]
    return draft | {
        "decision": decision,
        "boundary": boundary,
        "why_this_now": situation.why_this_now,
        "one_sentence_pattern": situation.one_sentence_pattern,
        "confidence": confidence,
        "evidence": [*evidence_for(situation, snapshot), *_aside(draft, situation, seed)],
    }


def _aside(draft: JsonObject, situation: Situation, seed: int) -> list[str]:
    """Return one more entry that caught this person's eye: such as not every snapshot has, so a model must look.

    Correcting an answer that broke a rule (a draft of ``negatives.json``), this person keeps to what tells.
    """
    if "rejected" in draft:
        return []
    values = values_of(draft["signals"])
    seen = [path for path in _ASIDES if path in values and path not in situation.paths]
    chosen = random.Random(f"{seed}:aside:{draft['id']}").sample(seen, min(1, len(seen)))  # noqa: S311  (as below)
    return [f"{path}={values[path]}" for path in chosen]


def _judge(draft: JsonObject, seed: int) -> tuple[Situation, str]:
    """Return the situation that stands out most; in a slip the one after it."""
    values = values_of(draft["signals"])
    found = sorted(((each.strength(values), each) for each in SITUATIONS), key=lambda pair: -pair[0])
    standing_out = [(strength, each) for strength, each in found if strength >= 1] or [(0.5, STEADY)]
    slips = len(standing_out) > 1 and _chance(draft, seed, "slips") < _SLIP
    strength, situation = standing_out[int(slips)]
    return situation, "high" if strength >= 2 else "medium" if strength >= 1 else "low"  # noqa: PLR2004


def _chance(draft: JsonObject, seed: int, what: str) -> float:
    return random.Random(f"{seed}:{what}:{draft['id']}").random()  # noqa: S311  (sample data, no secret)
