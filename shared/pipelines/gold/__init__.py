"""Gold: one decision and one boundary for a snapshot of a business. It is seed 000.

Declaring the pipeline loads no heavy library: what computes is imported when it is called.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from shared.contracts import JsonObject, Queue
from shared.pipeline import FineTune, Loaded, Pipeline, Row, Scores, SplitPolicy
from shared.pipelines.gold.asking import INFER
from shared.pipelines.gold.contracts import NAME, GoldAnswer, Snapshot, parse_snapshot
from shared.pipelines.gold.data_steps import DATA_STEPS
from shared.pipelines.gold.fallback import fallback
from shared.pipelines.gold.gates import gates
from shared.pipelines.gold.lines import chat_lines
from shared.pipelines.gold.model_steps import MODEL_STEPS
from shared.pipelines.gold.policy import policy
from shared.pipelines.gold.review import REVIEWS
from shared.presentation import Figures

BASE_MODEL: Final = "gpt-4o-mini-2024-07-18"
"""The seed's default, for OpenAI; our own trainer has one of its own."""


def _load(folder: Path) -> Loaded[Snapshot, GoldAnswer]:
    from shared.pipelines.gold.model import load

    return load(folder)


def _model(name: str) -> Loaded[Snapshot, GoldAnswer]:
    from shared.pipelines.gold.model import named

    return named(name)


def _score(model: Loaded[Snapshot, GoldAnswer], rows: Iterator[Row]) -> Scores:
    from shared.pipelines.gold.score import score

    return score(model, rows)


def _dump(output: GoldAnswer) -> JsonObject:
    return output.model_dump(mode="json")


PIPELINE: Final = Pipeline[Snapshot, GoldAnswer](
    name=NAME,
    summary="One decision and one boundary for a business snapshot. A chat model, fine-tuned on what people concluded.",
    source="gold_examples",
    train_queue=Queue.FINETUNE,
    predict_queue=Queue.FINETUNE,
    split=SplitPolicy(test_share=policy().test_share, seed=policy().seed),
    min_samples=policy().min_samples,
    windows={"all": None},
    parse_input=parse_snapshot,
    train=FineTune(lines=chat_lines, base_model=BASE_MODEL, suffix=NAME, model=_model),
    load=_load,
    score=_score,
    gates=gates,
    fallback=fallback,
    dump_output=_dump,
    infer=INFER,
    reviews=REVIEWS,
    extra_steps=(*DATA_STEPS, *MODEL_STEPS),
    figures=Figures(headline=("agreement",), less_is_better=("offenders", "offender_rate")),
    library_versions=("openai", "jsonschema"),
)
