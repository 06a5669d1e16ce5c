"""Training on a file of rows: those of its rows that people have approved become a dataset, the others are counted.

A file says which rows, and nothing else: what they hold, and that somebody approved them, the database says.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from shared.db import datasets, examples
from shared.db.datasets import DatasetRecord
from shared.db.examples import Which
from shared.errors import InvalidInputError, RefusedError
from shared.files import open_upload
from shared.loop.freeze import freeze_examples
from shared.pipeline import FineTune, Pipeline, Row, Run
from shared.row_rules import RowRules

NOT_APPROVED: Final = "not-approved"
TWICE: Final = "twice"


@dataclass(frozen=True, kw_only=True)
class FrozenFile:
    """The dataset that the rows of a file have become, and why others were left out."""

    record: DatasetRecord
    rejected: Counter[str]


def freeze_file(pipeline: Pipeline[Any, Any], run: Run, surface: str, upload: str, seed: int) -> FrozenFile:
    """Freeze the approved rows of an uploaded file, and record the dataset at once.

    Raises InvalidInputError where the pipeline reads no files, RefusedError when no row is left or too few.
    """
    ids, rejected = _read(_rules(pipeline), run, surface, upload)
    with run.training_data() as conn:
        known = examples.known(conn, pipeline.source, surface, ids)
    if len(known) < len(ids):
        rejected[NOT_APPROVED] += len(ids) - len(known)
    if not known:
        raise nothing_eligible(pipeline.name, rejected)
    result, record = freeze_examples(pipeline, run, surface, seed, Which(ids=known))
    with run.fenced() as conn:
        record(conn)
        return FrozenFile(record=datasets.get(conn, result.dataset_id), rejected=rejected)


def rejection(rules: RowRules | None, surface: str, row: Row) -> str:
    """Return why a row of a dataset must not be trained on today; empty: it may."""
    if rules is None:
        return ""
    try:
        rules.check(surface, row)
    except InvalidInputError as error:
        return str(error.details.get("reason", error.code))
    return ""


def nothing_eligible(pipeline: str, rejected: Counter[str]) -> RefusedError:
    """Return the refusal of a training file without rows."""
    why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(rejected.items())) or "there are no rows"
    return RefusedError(
        f"0 eligible rows: check approved flags and schema versions ({why})",
        code="no-eligible-rows",
        advice="approve rows, bring old ones up to the current contracts (docs/schemas/), then write the file again"
        f" (tuneyard {pipeline} build-datasets)",
        reasons=dict(rejected),
    )


def _rules(pipeline: Pipeline[Any, Any]) -> RowRules:
    rules = pipeline.train.rules if isinstance(pipeline.train, FineTune) else None
    if rules is None:
        raise InvalidInputError(
            f"{pipeline.name} is trained on frozen datasets only", advice="run freeze, and name its dataset_id"
        )
    return rules


def _read(rules: RowRules, run: Run, surface: str, upload: str) -> tuple[set[str], Counter[str]]:
    ids: set[str] = set()
    rejected: Counter[str] = Counter()
    with open_upload(run, upload) as file:
        for line in rules.read(surface, file):
            if line.id is None or line.id in ids:
                rejected[line.reason or TWICE] += 1
            else:
                ids.add(line.id)
    return ids, rejected
