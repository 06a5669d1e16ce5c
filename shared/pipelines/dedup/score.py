"""How well a model does on held-out pairs, and how well their plain similarity does on the very same ones.

A pair scores 1 when the answer is what people said. Nothing of a statement is in the figures: pairs are named by ids.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, Protocol, runtime_checkable

from shared.contracts import JsonObject
from shared.pipeline import Loaded, Row, Scores
from shared.pipelines.dedup.fallback import fallback
from shared.pipelines.dedup.figures import Judged, at, basics, best_accuracy, calibration, curve
from shared.pipelines.dedup.model import Said
from shared.pipelines.dedup.pair import MergeAnswer, Pair, label_of, parse_pair
from shared.pipelines.dedup.policy import policy
from shared.pipelines.dedup.prompt import LABELS, MERGE
from shared.pipelines.dedup.thresholds import from_policy

_EVEN: Final = 0.5


@runtime_checkable
class SaysPairs(Protocol):
    """A model whose answers can be seen as they are, before a similarity stands in for those that are none."""

    def said(self, inputs: Sequence[Pair]) -> list[Said]:
        """Ask about each pair, in order."""
        ...


def score(model: Loaded[Pair, MergeAnswer], rows: Iterator[Row]) -> Scores:
    """Score a model on labelled pairs.

    Raises what completions raise when the provider does not answer, and TypeError for a model that shows no answers.
    """
    if not isinstance(model, SaysPairs):
        raise TypeError("dedup is judged by what a model says itself, which this one does not show")
    found: list[_Pair] = []
    while batch := list(islice(rows, policy().model.batch)):
        pairs = [parse_pair(row.input) for row in batch]
        for row, pair, said in zip(batch, pairs, model.said(pairs), strict=True):
            found.append(_Pair(row.id, pair, label_of(row.label) == MERGE, said))
    return Scores(per_row=[float(each.is_right) for each in found], metrics=_metrics(found))


class _Pair:
    """A held-out pair with what people and the model said of it."""

    def __init__(self, example_id: str, pair: Pair, truth: bool, said: Said) -> None:
        self.id = example_id
        self.pair = pair
        self.said = said
        answer = said.answer
        self.judged = Judged(
            truth, answer.should_merge if answer else False, answer.merge_probability if answer else _EVEN
        )

    @property
    def is_right(self) -> bool:
        return self.said.answer is not None and self.judged.answer == self.judged.truth

    @property
    def by_similarity(self) -> Judged:
        answer = fallback(self.pair).output
        return Judged(self.judged.truth, answer.should_merge, answer.merge_probability)


def _metrics(found: Sequence[_Pair]) -> JsonObject:
    judged = [each.judged for each in found]
    plain = [each.by_similarity for each in found]
    points = curve(judged, policy().auto.confidence_level)
    listed = policy().model.listed
    false_merges = [each for each in found if each.judged.answer and not each.judged.truth]
    misses = [each for each in found if each.judged.truth and not each.judged.answer]
    return {
        "rows": len(found),
        "merge_rows": sum(each.truth for each in judged),
        "unreadable": sum(each.said.answer is None for each in found),
        **basics(judged),
        "accuracy": round(sum(each.is_right for each in found) / len(found), 4) if found else None,
        "at_auto_merge": at(points, from_policy().auto_merge),
        "curve": points,
        "calibration": calibration(judged),
        "labels": list(LABELS),
        "confusion": _confusion(found),
        "false_merges": len(false_merges),
        "misses": len(misses),
        "false_merge_ids": [each.id for each in _surest(false_merges)[:listed]],
        "miss_ids": [each.id for each in _surest(misses)[:listed]],
        "similarity": {**basics(plain), "best_accuracy": best_accuracy(plain)},
    }


def _confusion(found: Sequence[_Pair]) -> list[list[int]]:
    """Return a row for each true label, a column for each answered one; answers that are none are left out."""
    pairs = [(each.judged.truth, each.judged.answer) for each in found if each.said.answer is not None]
    merges = [label == MERGE for label in LABELS]
    return [[pairs.count((truth, answer)) for answer in merges] for truth in merges]


def _surest(pairs: Sequence[_Pair]) -> list[_Pair]:
    """Return pairs with the answers first that were the surest of themselves."""
    return sorted(pairs, key=lambda each: (-each.said.confidence, each.id))
