"""One suite over all pipelines: they look alike, and each keeps the promises that the loop builds on."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared.contracts import Outcome, Queue
from shared.db.pool import Database
from shared.errors import InvalidInputError
from shared.ids import canonical_json
from shared.pipeline import Comparison, FineTune, Pipeline
from shared.registry import pipelines, steps
from tests.support.conformance import Case

ROOT = Path(__file__).parents[3]
SAME_FILES = {
    "__init__.py", "contracts.py", "fallback.py", "gates.py", "model.py", "policy.py", "policy.toml", "sample.py",
    "score.py",
}  # fmt: skip
COLUMNS = {"id", "surface", "group", "input", "label", "at"}
ALL_ROWS = 400

each_pipeline = pytest.mark.parametrize("name", sorted(pipelines()))


def pipeline_of(name: str) -> Pipeline[Any, Any]:
    return pipelines()[name]


def case_of(name: str) -> Case:
    case: Case = import_module(f"tests.shared.pipelines.{name}.conformance").CASE
    return case


@each_pipeline
def test_it_has_the_same_files_as_the_others(name: str) -> None:
    folder = ROOT / "shared" / "pipelines" / name
    assert {path.name for path in folder.iterdir()} >= SAME_FILES


@each_pipeline
def test_its_steps_explain_themselves(name: str) -> None:
    own = [step for step in steps().values() if step.pipeline == name]
    train = "finetune" if isinstance(pipeline_of(name).train, FineTune) else "train"
    assert {"freeze", train, "evaluate", "promote", "retrain", "activate", "rollback"} <= {s.name for s in own}
    for step in own:
        assert step.summary.endswith("."), step.kind
        assert step.params.__doc__, step.kind
        assert (step.run is None) != (step.flow is None), step.kind
        for field, info in step.params.model_fields.items():
            assert info.description, f"{step.kind}: {field}"


@each_pipeline
def test_inputs_are_read_strictly_and_refused_without_being_quoted(name: str) -> None:
    pipeline, case = pipeline_of(name), case_of(name)
    for good in case.good_inputs:
        pipeline.parse_input(json.loads(json.dumps(good)))
    for bad in case.bad_inputs:
        with pytest.raises(InvalidInputError) as refused:
            pipeline.parse_input(bad)
        assert "canary" not in json.dumps(refused.value.as_dict())


@each_pipeline
def test_the_fallback_answers_every_input_in_the_shape_of_a_model(name: str) -> None:
    pipeline = pipeline_of(name)
    for good in case_of(name).good_inputs:
        first, second = (pipeline.fallback(pipeline.parse_input(good)) for _ in range(2))
        assert first == second
        assert 0 <= first.confidence <= 1
        assert canonical_json(pipeline.dump_output(first.output))


@each_pipeline
def test_gates_let_the_first_and_the_equal_through_and_nothing_worse(name: str) -> None:
    pipeline, scores = pipeline_of(name), case_of(name).scores

    def outcomes(candidate: int, active: int | None, rows: int = ALL_ROWS) -> set[Outcome]:
        comparisons = [
            Comparison(
                window=window,
                candidate=scores(candidate, rows),
                active=None if active is None else scores(active, rows),
            )
            for window in pipeline.windows
        ]
        verdicts = pipeline.gates(comparisons)
        assert all(verdict.sentence.endswith(".") for verdict in verdicts)
        return {verdict.outcome for verdict in verdicts}

    good, bad = ALL_ROWS * 95 // 100, ALL_ROWS * 40 // 100
    assert outcomes(good, None) == {Outcome.PASS}
    assert outcomes(good, good) == {Outcome.PASS}
    assert outcomes(good, bad) == {Outcome.PASS}
    assert Outcome.FAIL in outcomes(bad, good)
    assert outcomes(1, 1, rows=1) != {Outcome.PASS}


@each_pipeline
def test_the_training_role_reads_its_labels_and_no_prediction(name: str, database: Database) -> None:
    with database.training_data() as conn:
        cursor = conn.execute(f"SELECT * FROM {pipeline_of(name).source} LIMIT 0")
        assert {column.name for column in cursor.description or ()} >= COLUMNS
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT FROM predictions")


@each_pipeline
def test_a_model_that_a_provider_answers_for_is_not_loaded_where_calls_are_answered(name: str) -> None:
    pipeline = pipeline_of(name)
    if isinstance(pipeline.train, FineTune):
        # a call from the inference worker to our own API would wait for that very worker
        assert pipeline.predict_queue is Queue.FINETUNE
        assert pipeline.train_queue is Queue.FINETUNE
    else:
        assert pipeline.predict_queue is Queue.INFERENCE
