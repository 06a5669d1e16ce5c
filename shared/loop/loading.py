"""Loading a registered model into this process, and trying it out before anybody depends on it."""

import math
from itertools import islice
from typing import Any, Final

from psycopg import Connection

from shared.datasets import open_dataset
from shared.db import datasets
from shared.errors import RefusedError
from shared.ids import canonical_json
from shared.models import Model
from shared.pipeline import Loaded, Pipeline, Row, Run

_SMOKE_ROWS: Final = 5


def load_model(pipeline: Pipeline[Any, Any], run: Run, model: Model) -> Loaded[Any, Any]:
    """Fetch a model's files, each verified, and load it.

    Raises NotFoundError or CorruptError for its files, RefusedError when this process cannot compute its features.
    """
    folder = run.workdir / model.id
    if not folder.exists():
        folder.mkdir()
        run.artifacts.fetch(model.manifest, folder)
    return pipeline.load(folder)


def smoke_test(pipeline: Pipeline[Any, Any], run: Run, model: Model) -> None:
    """Load a model and let it answer a few rows that it was not trained on.

    Raises RefusedError when an answer is unusable, and what ``load_model`` raises.
    """
    with run.reading() as conn:
        rows = _held_out(conn, run, model)
    inputs = [pipeline.parse_input(row.input) for row in rows]
    answers = load_model(pipeline, run, model).predict(inputs)
    if len(answers) != len(inputs):
        raise RefusedError(f"model {model.version} gave {len(answers)} answers to {len(inputs)} inputs")
    for answer in answers:
        if not (math.isfinite(answer.confidence) and 0 <= answer.confidence <= 1):
            raise RefusedError(f"model {model.version} answered with a confidence that is no number from 0 to 1")
        canonical_json(pipeline.dump_output(answer.output))


def _held_out(conn: Connection, run: Run, model: Model) -> list[Row]:
    dataset = datasets.get(conn, model.dataset_id)
    return list(islice(open_dataset(run.artifacts, dataset.manifest).rows("test"), _SMOKE_ROWS))
