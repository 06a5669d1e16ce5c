"""The step ``freeze``: a pipeline's labelled examples become a dataset that never changes again."""

from collections.abc import Callable
from typing import Any, Final

from psycopg import Connection
from pydantic import Field

from shared.artifacts import FileRef
from shared.contracts import Contract, Queue, Surface
from shared.datasets import DatasetFacts, dataset_id, publish_dataset
from shared.db import datasets, examples
from shared.db.examples import Which
from shared.errors import RefusedError
from shared.loop.choice import require_surface
from shared.pipeline import Done, Pipeline, Run, SplitPolicy, Step

# The last field of a line: it stands there once for each row held out, and nothing inside a row can look like it
_HELD_OUT: Final = b'"split":"test"}\n'


class FreezeParams(Contract):
    """What to freeze."""

    surface: Surface = Field(default="default", description="The part of the pipeline whose examples are frozen.")
    seed: int | None = Field(
        default=None, ge=0, lt=2**63, description="Decides which groups are held out. Empty: the pipeline's own seed."
    )
    days: int | None = Field(
        default=None, ge=1, le=3_650, description="Only what people said in so many days. Empty: all of it."
    )


class FreezeResult(Contract):
    """The dataset. ``created`` is false when the very same rows and seed had been frozen before."""

    dataset_id: str
    rows: int
    splits: dict[str, int]
    manifest: str
    created: bool


def freeze_step(pipeline: Pipeline[Any, Any]) -> Step[FreezeParams]:
    """Return a pipeline's step ``freeze``."""
    return Step(
        pipeline=pipeline.name,
        name="freeze",
        summary="Freeze the labelled examples into a dataset with its splits.",
        queue=Queue.DB,
        params=FreezeParams,
        run=lambda run, params: freeze(pipeline, run, params),
    )


def freeze(pipeline: Pipeline[Any, Any], run: Run, params: FreezeParams) -> Done:
    """Export, publish, then record. Freezing unchanged examples again finds the same dataset.

    Raises InvalidInputError for an unknown surface, RefusedError when there are too few examples.
    """
    require_surface(pipeline, params.surface)
    seed = pipeline.split.seed if params.seed is None else params.seed
    result, record = freeze_examples(pipeline, run, params.surface, seed, Which(days=params.days))
    return Done(result=result, record=record)


def freeze_examples(
    pipeline: Pipeline[Any, Any], run: Run, surface: str, seed: int, which: Which
) -> tuple[FreezeResult, Callable[[Connection], FreezeResult]]:
    """Export and publish examples; return the dataset, and what records it. Raises RefusedError for too few."""
    policy = SplitPolicy(test_share=pipeline.split.test_share, seed=seed)
    file, splits = _export(pipeline, run, surface, policy, which)
    facts = DatasetFacts(
        pipeline=pipeline.name, surface=surface, seed=policy.seed, test_share=policy.test_share,
        rows=sum(splits.values()), splits=splits,
    )  # fmt: skip
    result = FreezeResult(
        dataset_id=dataset_id(pipeline.name, surface, policy, file.sha256),
        rows=facts.rows,
        splits=splits,
        manifest=publish_dataset(run.artifacts, file, facts),
        created=True,
    )
    return result, _recorder(run.job_id, facts, result)


def _export(
    pipeline: Pipeline[Any, Any], run: Run, surface: str, policy: SplitPolicy, which: Which
) -> tuple[FileRef, dict[str, int]]:
    """Stream the examples into a blob, counting as they pass. A refusal inside leaves no blob behind."""
    rows = held_out = 0
    with run.artifacts.writer() as writer, run.training_data() as conn:
        expected = max(examples.estimate(conn, pipeline.source, surface), 1)
        for block in examples.export(conn, pipeline.source, surface, policy, which):
            writer.write(block.lines)
            rows += block.rows
            held_out += block.lines.count(_HELD_OUT)
            run.report(min(rows / expected, 0.95), "freezing", rows=rows)
        splits = {"train": rows - held_out, "test": held_out}
        _require_enough(pipeline, splits)
    return writer.ref, splits


def _require_enough(pipeline: Pipeline[Any, Any], splits: dict[str, int]) -> None:
    rows = sum(splits.values())
    if rows < pipeline.min_samples:
        raise RefusedError(
            f"insufficient training data: {rows} of {pipeline.min_samples}",
            advice="label or import more examples, then freeze again",
            rows=rows,
            needed=pipeline.min_samples,
        )
    for split, count in splits.items():
        if count == 0:
            raise RefusedError(
                f"insufficient training data: none of {rows} examples falls into the split {split}",
                advice="label examples of more groups, or freeze with another seed",
                rows=rows,
            )


def _recorder(job_id: str, facts: DatasetFacts, result: FreezeResult) -> Callable[[Connection], FreezeResult]:
    def record(conn: Connection) -> FreezeResult:
        created = datasets.insert(
            conn, dataset_id=result.dataset_id, pipeline=facts.pipeline, surface=facts.surface,
            manifest=result.manifest, rows=facts.rows, splits=facts.splits, seed=facts.seed, job_id=job_id,
        )  # fmt: skip
        return result.model_copy(update={"created": created})

    return record
