"""A pipeline for tests of the loop: a student who knows a given share of the answers.

A question ends with its answer. How many of a hundred the student knows, ``STUDENT_SKILL`` says when it is trained;
which ones is up to a hash, so that two students of equal skill and another ``STUDENT_BENT`` miss different questions.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from shared.contracts import JsonObject, Queue, Verdict
from shared.errors import RefusedError
from shared.gates import GatePolicy, no_regression
from shared.pipeline import Answer, Comparison, Loaded, Pipeline, Report, Row, Scores, SplitPolicy, TrainingSummary

GATE = GatePolicy(alpha=0.05, resamples=200, seed=1, min_rows=5)
DUNNO = "dunno"


class _Student:
    def __init__(self, skill: int, bent: str) -> None:
        self._skill = skill
        self._bent = bent

    def _knows(self, question: str) -> bool:
        return hashlib.sha256(f"{self._bent}{question}".encode()).digest()[0] * 100 // 256 < self._skill

    def predict(self, inputs: Sequence[str]) -> Sequence[Answer[str]]:
        return [
            Answer(output=question.rpartition(" ")[2] if self._knows(question) else DUNNO, confidence=self._skill / 100)
            for question in inputs
        ]


def _train(rows: Iterable[Row], folder: Path, report: Report) -> TrainingSummary:
    count = sum(1 for _ in rows)
    again = sum(1 for _ in rows)
    report(0.5, "studying")
    model = {"skill": int(os.environ["STUDENT_SKILL"]), "bent": os.environ.get("STUDENT_BENT", "")}
    (folder / "model.json").write_text(json.dumps(model, sort_keys=True))
    return TrainingSummary(parameters=model, metrics={"rows": count, "again": again})


def _load(folder: Path) -> Loaded[str, str]:
    model = json.loads((folder / "model.json").read_text())
    if model["skill"] < 0:
        raise RefusedError("the student is ill")
    return _Student(model["skill"], model["bent"])


def _score(model: Loaded[str, str], rows: Iterator[Row]) -> Scores:
    scores = [float(model.predict([row.input])[0].output == row.label) for row in rows]
    return Scores(per_row=scores, metrics={"accuracy": sum(scores) / len(scores)})


def _gates(comparisons: Sequence[Comparison]) -> Sequence[Verdict]:
    return [no_regression(comparison, GATE) for comparison in comparisons]


def _dump(output: str) -> JsonObject:
    return {"answer": output}


PIPELINE: Pipeline[str, str] = Pipeline(
    name="student",
    summary="Tests the loop.",
    source="router_examples",
    train_queue=Queue.DB,
    split=SplitPolicy(test_share=0.4, seed=1),
    min_samples=20,
    windows={"all": None, "recent": timedelta(days=30)},
    parse_input=str,
    train=_train,
    load=_load,
    score=_score,
    gates=_gates,
    fallback=lambda _: Answer(output=DUNNO, confidence=0.0),
    dump_output=_dump,
    library_versions=("pydantic",),
)
