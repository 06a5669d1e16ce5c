"""Dedup: whether two statements say the same thing, learned from what people merged and kept apart. It is seed 002.

Declaring the pipeline loads no heavy library: what computes is imported when it is called.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from shared.contracts import Queue, Verdict
from shared.pipeline import FineTune, Loaded, Pipeline, Row, Scores, SplitPolicy
from shared.pipelines.dedup.assisting import ASSISTING_STEPS
from shared.pipelines.dedup.cluster_steps import CLUSTER_STEPS
from shared.pipelines.dedup.contracts import NAME
from shared.pipelines.dedup.data_steps import DATA_STEPS
from shared.pipelines.dedup.fallback import fallback
from shared.pipelines.dedup.gates import gates
from shared.pipelines.dedup.lines import chat_lines
from shared.pipelines.dedup.model_steps import MODEL_STEPS
from shared.pipelines.dedup.pair import MergeAnswer, Pair, dump_answer, parse_pair
from shared.pipelines.dedup.policy import policy
from shared.pipelines.dedup.reembedding import REEMBED_STEPS
from shared.pipelines.dedup.review import REVIEWS
from shared.presentation import Bins, Curve, Figures


def _load(folder: Path) -> Loaded[Pair, MergeAnswer]:
    from shared.pipelines.dedup.model import load

    return load(folder)


def _model(name: str) -> Loaded[Pair, MergeAnswer]:
    from shared.pipelines.dedup.model import named

    return named(name)


def _score(model: Loaded[Pair, MergeAnswer], rows: Iterator[Row]) -> Scores:
    from shared.pipelines.dedup.score import score

    return score(model, rows)


def _eligible(surface: str, rows: Iterator[Row]) -> Sequence[Verdict]:
    from shared.pipelines.dedup.training import eligible

    return eligible(surface, rows)


PIPELINE: Final = Pipeline[Pair, MergeAnswer](
    name=NAME,
    summary="Whether two statements say the same thing. A chat model, fine-tuned on what people merged and kept apart.",
    source="dedup_examples",
    train_queue=Queue.FINETUNE,
    predict_queue=Queue.FINETUNE,
    split=SplitPolicy(test_share=policy().test_share, seed=policy().seed),
    min_samples=2 * policy().export.min_examples,
    windows={"all": None},
    parse_input=parse_pair,
    train=FineTune(lines=chat_lines, base_model=policy().model.base_model, suffix=NAME, model=_model),
    load=_load,
    score=_score,
    gates=gates,
    eligible=_eligible,
    fallback=fallback,
    dump_output=dump_answer,
    extra_steps=(*DATA_STEPS, *CLUSTER_STEPS, *REEMBED_STEPS, *ASSISTING_STEPS, *MODEL_STEPS),
    reviews=REVIEWS,
    figures=Figures(
        headline=("accuracy",),
        less_is_better=("misses", "false_merges", "unreadable", "ece"),
        curve=Curve(name="curve", x="threshold", y="precision", low="low", high="high"),
        bins=Bins(name="calibration.bins", said="said", true="true", rows="pairs"),
    ),
    library_versions=("openai",),
)
