"""The step ``reembed``: all statements get vectors of one model, at once, however long that takes to prepare.

Vectors of different models are never compared, so statements of a new model are refused until this has run. The new
vectors gather beside the old ones, batch by batch; an attempt that ends is gone on with. They are swapped in together.
"""

from datetime import timedelta
from typing import Final

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract, Queue
from shared.db import dedup
from shared.errors import UnavailableError
from shared.pipeline import Done, RetryPolicy, Run, Step
from shared.pipelines.dedup.cluster_steps import UNIQUE
from shared.pipelines.dedup.contracts import NAME
from shared.pipelines.dedup.embedding import embed_statements
from shared.pipelines.dedup.policy import policy

_SLICE: Final = timedelta(seconds=10)  # and one batch fits below the queue's limit of 25 s


class ReembedParams(Contract):
    """Which model's vectors all statements get."""

    model: str | None = Field(
        default=None, min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$",
        description="The embedding model, without its version. Empty: what new statements are embedded with.",
    )  # fmt: skip


class ReembedResult(Contract):
    """How many insights, and statements that a model merged, have other vectors now."""

    sentence: str
    embedding_model: str
    insights: int
    merged: int


def reembed(run: Run, params: ReembedParams) -> Done:
    """Embed all statements with one model, and swap the vectors in. Raises what embedding raises."""
    from shared.llm.embeddings import embedding_model

    model = embedding_model(params.model)
    with run.fenced() as conn:
        dedup.forget_other_vectors(conn, model)
    with run.reading() as conn:
        done, of_all = dedup.reembedding_progress(conn, model)
    after = ""
    while True:
        run.report(done / max(of_all, 1), "embedding", statements=of_all, embedded=done)
        with run.reading() as conn:
            batch = dedup.without_new_vectors(conn, model, after=after, limit=policy().ingest.store_batch)
        if not batch:
            break
        embedded = embed_statements([each.statement for each in batch], model=params.model, job_id=run.job_id)
        with run.fenced() as conn:
            dedup.put_new_vectors(conn, [each.id for each in batch], embedded.vectors, embedded.model)
        after, done = batch[-1].id, done + len(batch)
    result = ReembedResult(sentence="", embedding_model=model, insights=0, merged=0)

    def record(conn: Connection) -> ReembedResult:
        dedup.lock_insights(conn)
        if dedup.without_new_vectors(conn, model, after="", limit=1):
            raise UnavailableError("statements came in meanwhile", advice="nothing: they are embedded in the next try")
        swapped = dedup.swap_vectors(conn)
        sentence = f"{swapped.insights:,} insights have vectors of {model} now: run dedup.cluster."
        if not swapped.insights:
            sentence = f"All insights have vectors of {model} already."
        return result.model_copy(update={"sentence": sentence, **swapped._asdict()})

    return Done(result=result, record=record)


REEMBED_STEPS: Final[tuple[Step[ReembedParams], ...]] = (
    Step(
        pipeline=NAME,
        name="reembed",
        summary="Give all insights vectors of one model: of another than before, or of a new version.",
        queue=Queue.FINETUNE,
        params=ReembedParams,
        run=reembed,
        retry=RetryPolicy(max_attempts=8),  # a provider that is busy for a while; what is embedded stays so
        slice=_SLICE,
        unique_key=lambda _: UNIQUE,
    ),
)
