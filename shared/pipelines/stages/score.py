"""How well a stage's model does on held-out rows: what it says at first, without the guardrail that makes it good.

Each row scores how far the answer agrees with the approved one, 0 to 1. The other figures need no approved answer.
"""

import math
from collections.abc import Iterator
from itertools import islice

from shared.llm.tuned import AnswersFirst
from shared.pipeline import Loaded, Row, Scores
from shared.pipelines.stages.agreement import agreement
from shared.pipelines.stages.contracts import StageInput, StageOutput, as_json
from shared.pipelines.stages.lines import pair_of
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.tally import Tally, object_of


def score(model: Loaded[StageInput, StageOutput], rows: Iterator[Row]) -> Scores:
    """Score a model on approved rows.

    Raises what completions raise when the provider does not answer, and TypeError for a model without first answers.
    """
    if not isinstance(model, AnswersFirst):
        raise TypeError("stages are judged by first answers, which this model does not show")
    agreements: list[float] = []
    tally = Tally()
    while batch := list(islice(rows, policy().model.batch)):
        pairs = [pair_of(row) for row in batch]
        for (value, truth), first in zip(pairs, model.first([value for value, _ in pairs]), strict=True):
            tally.add(value, first)
            agreements.append(agreement(object_of(first.text), as_json(truth)))
    mean = math.fsum(agreements) / len(agreements) if agreements else None
    return Scores(per_row=agreements, metrics={"agreement": mean, **tally.figures()})
