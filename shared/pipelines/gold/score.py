"""How well a model does on held-out rows: what it says at first, without the guardrail that would make it good.

Each row that a person concluded scores how far the answer agrees with it, 0 to 1. Negatives, and drafts of rules, are
no yardstick for that; but their snapshots count where rules are concerned, which need no label: an answer that breaks
one is an offender.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from shared.contracts import JsonObject
from shared.llm.tuned import AnswersFirst, First
from shared.llm.wording import word_f1
from shared.pipeline import Loaded, Row, Scores
from shared.pipelines.gold.contracts import GoldAnswer, Snapshot, parse_snapshot
from shared.pipelines.gold.lines import label_of
from shared.pipelines.gold.model_policy import model_policy
from shared.pipelines.gold.smoke import object_of


def score(model: Loaded[Snapshot, GoldAnswer], rows: Iterator[Row]) -> Scores:
    """Score a model on what people concluded: ``per_row`` has their rows only, in order.

    Raises what completions raise when the provider does not answer, and TypeError for a model without first answers.
    """
    if not isinstance(model, AnswersFirst):
        raise TypeError("gold is judged by first answers, which this model does not show")
    agreements: list[float] = []
    broken: Counter[str] = Counter()
    seen = offenders = 0
    while batch := list(islice(rows, model_policy().batch)):
        firsts = model.first([parse_snapshot(row.input) for row in batch])
        seen += len(firsts)
        offenders += sum(bool(first.faults) for first in firsts)
        broken.update(rule for first in firsts for rule in {fault.rule for fault in first.faults})
        agreements += _agreements(batch, firsts)
    return Scores(per_row=agreements, metrics=_metrics(agreements, seen, offenders, broken))


def _agreements(rows: Sequence[Row], firsts: Sequence[First]) -> Iterator[float]:
    for row, first in zip(rows, firsts, strict=True):
        label = label_of(row.label)
        if label.is_gold:
            yield agreement(said(first.text), (label.decision, label.boundary))


def said(text: str) -> tuple[str, str]:
    """Return the decision and the boundary of an answer, whatever rules it broke; blank where it is not to be read."""
    value = object_of(text)
    decision, boundary = (value.get(name) for name in ("decision", "boundary"))
    return decision if isinstance(decision, str) else "", boundary if isinstance(boundary, str) else ""


def agreement(said: tuple[str, str], truth: tuple[str, str]) -> float:
    """Return how far a decision and a boundary say the same as a person's, 0 to 1: the mean F1 of their words."""
    return sum(word_f1(one, other) for one, other in zip(said, truth, strict=True)) / 2


def _metrics(agreements: Sequence[float], seen: int, offenders: int, broken: Counter[str]) -> JsonObject:
    return {
        "gold_rows": len(agreements),
        "agreement": math.fsum(agreements) / len(agreements) if agreements else None,
        "judged_rows": seen,
        "offenders": offenders,
        "offender_rate": offenders / seen if seen else None,
        "broken": dict(sorted(broken.items())),
    }
