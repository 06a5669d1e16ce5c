"""The step ``ask-neighbours``: what the active model says of insights that look alike, for assisted clustering.

What it has said is recorded, batch by batch, and asked once: an attempt that ends is gone on with.
"""

from datetime import timedelta
from typing import Final

from pydantic import Field

from shared.contracts import Contract, Queue
from shared.db import dedup
from shared.errors import RefusedError, UnavailableError
from shared.pipeline import Done, RetryPolicy, Run, Step
from shared.pipelines.dedup.contracts import NAME
from shared.pipelines.dedup.pair import pair_of
from shared.pipelines.dedup.policy import policy
from shared.pipelines.dedup.predicting import UNREADABLE, Asked, answerer, predict_pairs, record

_SLICE: Final = timedelta(seconds=12)  # and one batch of questions fits below the queue's limit of 25 s


class AskNeighboursParams(Contract):
    """Which neighbours to ask about."""

    threshold: float | None = Field(
        default=None, gt=0, le=1, description="The least cosine of two insights that the model is asked about."
    )


class AskNeighboursResult(Contract):
    """Undecided neighbours, and of how many of them the model has said something."""

    neighbours: int
    asked: int
    model_id: str


def ask_neighbours(run: Run, params: AskNeighboursParams) -> Done:
    """Ask the active model about all neighbours that nobody has decided on.

    Raises RefusedError when there is none, UnavailableError when it does not answer; what it has said is kept.
    """
    threshold = params.threshold or policy().clusters.threshold
    with run.reading() as conn:
        who = answerer(conn)
    if who is None:
        raise RefusedError(
            "dedup has no active model to ask about neighbours",
            advice="activate one, or cluster without assistance: similarities alone make the clusters then",
            code="no-model",
        )
    with run.reading() as conn:
        asked, of_all = dedup.asked_neighbours(conn, who.id, threshold)
    after = ("", "")
    while True:
        run.report(asked / max(of_all, 1), "asking about neighbours", neighbours=of_all, asked=asked)
        with run.reading() as conn:
            batch = dedup.unasked_neighbours(conn, who.id, threshold, after=after, limit=policy().model.batch)
        if not batch:
            break
        pairs = [
            Asked(one=each.a, two=each.b, pair=pair_of(each.statement_a, each.statement_b, each.similarity))
            for each in batch
        ]
        found = predict_pairs(who, pairs, job_id=run.job_id)
        said = [each for each in found if each.by_model]
        with run.fenced() as conn:
            record(conn, said)
        if any(each.reason != UNREADABLE for each in found if not each.by_model):
            raise UnavailableError("the active model does not answer", advice="try again when its provider does")
        after, asked = (batch[-1].a, batch[-1].b), asked + len(said)
    return Done(result=AskNeighboursResult(neighbours=of_all, asked=asked, model_id=who.id))


ASSISTING_STEPS: Final[tuple[Step[AskNeighboursParams], ...]] = (
    Step(
        pipeline=NAME,
        name="ask-neighbours",
        summary="Ask the active model about insights that look alike, for clusters with its assistance.",
        queue=Queue.FINETUNE,
        params=AskNeighboursParams,
        run=ask_neighbours,
        retry=RetryPolicy(max_attempts=8),  # a provider that is busy for a while; what was said is kept
        slice=_SLICE,
        unique_key=lambda _: f"{NAME}.ask-neighbours",
    ),
)
