"""A pipeline for tests of the loop whose models a provider trains: the provider's name for a model decides its skill.

A question ends with its answer (as in ``tests/support/student.py``); a model knows as many of a hundred as
``PUPIL_SKILL`` says when it is loaded. It answers without a request: what is tested is how it comes to be.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from shared.contracts import JsonObject, Queue, Verdict
from shared.gates import GatePolicy, no_regression
from shared.llm.provider_model import ProviderModel
from shared.pipeline import Answer, Comparison, FineTune, Loaded, Pipeline, Row, Scores, SplitPolicy
from tests.support.student import DUNNO, _Student

PUPIL = "tests.support.pupil"
GATE = GatePolicy(alpha=0.05, resamples=200, seed=1, min_rows=5)


def _lines(rows: Iterable[Row]) -> Iterator[JsonObject]:
    for row in rows:
        yield {
            "messages": [{"role": "user", "content": row.input}, {"role": "assistant", "content": row.label}],
        }


def _load(folder: Path) -> Loaded[str, str]:
    model = ProviderModel.read(folder)
    return _Student(int(os.environ.get("PUPIL_SKILL", "80")), model.model)


def _score(model: Loaded[str, str], rows: Iterator[Row]) -> Scores:
    scores = [float(model.predict([row.input])[0].output == row.label) for row in rows]
    return Scores(per_row=scores, metrics={"accuracy": sum(scores) / len(scores)})


def _gates(comparisons: Sequence[Comparison]) -> Sequence[Verdict]:
    return [no_regression(comparison, GATE) for comparison in comparisons]


PIPELINE: Pipeline[str, str] = Pipeline(
    name="pupil",
    summary="Tests fine-tunes.",
    source="router_examples",
    train_queue=Queue.FINETUNE,
    split=SplitPolicy(test_share=0.4, seed=1),
    min_samples=20,
    windows={"all": None},
    parse_input=str,
    train=FineTune(lines=_lines, base_model="gpt-6-mini", suffix="pupil"),
    load=_load,
    score=_score,
    gates=_gates,
    predict_queue=Queue.FINETUNE,
    fallback=lambda _: Answer(output=DUNNO, confidence=0.0),
    dump_output=lambda output: {"answer": output},
)
