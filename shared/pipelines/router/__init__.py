"""The router: how hard is a query? It is seed 004.

Declaring the pipeline loads no heavy library: what computes is imported when it is called.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from shared.contracts import JsonObject, Queue
from shared.pipeline import Loaded, Pipeline, Report, Row, Scores, SplitPolicy, TrainingSummary
from shared.pipelines.router.contracts import NAME, Prediction, parse_query
from shared.pipelines.router.fallback import fallback
from shared.pipelines.router.gates import gates
from shared.pipelines.router.labelled import parse_labelled
from shared.pipelines.router.policy import policy
from shared.pipelines.router.review import REVIEWS
from shared.presentation import Bins, Figures


def _train(rows: Iterable[Row], folder: Path, report: Report) -> TrainingSummary:
    from shared.pipelines.router.train import train

    return train(rows, folder, report)


def _load(folder: Path) -> Loaded[str, Prediction]:
    from shared.pipelines.router.model import load

    return load(folder)


def _prepare_serving() -> None:
    from shared.pipelines.router import model  # noqa: F401  (numpy and NLTK come with it)


def _score(model: Loaded[str, Prediction], rows: Iterator[Row]) -> Scores:
    from shared.pipelines.router.score import score

    return score(model, rows)


def _dump(output: Prediction) -> JsonObject:
    return {"difficulty": output.difficulty.value, "probabilities": dict(output.probabilities)}


PIPELINE: Final = Pipeline[str, Prediction](
    name=NAME,
    summary="How hard is a query? A logistic regression, trained on what people said about queries.",
    source="router_examples",
    train_queue=Queue.DB,
    split=SplitPolicy(test_share=policy().test_size, seed=policy().random_state),
    min_samples=policy().min_samples,
    windows={"all": None, "recent": timedelta(days=policy().recent_days)},
    parse_input=parse_query,
    train=_train,
    load=_load,
    prepare_serving=_prepare_serving,
    score=_score,
    gates=gates,
    fallback=fallback,
    dump_output=_dump,
    parse_labelled=parse_labelled,
    reviews=REVIEWS,
    figures=Figures(
        headline=("accuracy",),
        less_is_better=("log_loss", "calibration_error"),
        bins=Bins(name="calibration", said="said", true="true", rows="rows"),
    ),
    library_versions=("numpy", "scipy", "scikit-learn", "nltk", "safetensors"),
)
