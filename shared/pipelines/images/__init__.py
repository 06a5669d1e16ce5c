"""Images: webcam pictures, scored by a network that is trained on what people rated. It is seed 003.

Declaring the pipeline loads no heavy library: what computes is imported when it is called.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from shared.answering import Answered, Standing
from shared.contracts import JsonObject, Queue
from shared.pipeline import Done, Loaded, Next, Pipeline, Row, Run, Scores, TrainingSummary, Wait
from shared.pipelines.images.contracts import NAME, TARGET_TYPES, ImageInput, Judged, parse_input
from shared.pipelines.images.data_steps import DATA_STEPS
from shared.pipelines.images.evaluate_params import EvaluateParams
from shared.pipelines.images.fallback import fallback
from shared.pipelines.images.gates import gates
from shared.pipelines.images.model_steps import MODEL_STEPS
from shared.pipelines.images.policy import policy
from shared.pipelines.images.review import REVIEWS
from shared.pipelines.images.scoring_steps import SCORING_STEPS
from shared.pipelines.images.splits import split_policy
from shared.pipelines.images.train_params import TrainParams
from shared.presentation import Bins, Figures
from shared.training import Core, LongTraining, Training, Wider

if TYPE_CHECKING:
    from shared.pipelines.images.model import ImageModel


def _train(rows: Iterable[Row], folder: Path, training: Training) -> TrainingSummary:
    from shared.pipelines.images.train import train

    return train(rows, folder, training)


def _train_step(run: Run, params: Any, core: Core) -> Done | Wait | Next:
    from shared.pipelines.images.train import train_step

    return train_step(run, params, core)


def _evaluate_step(run: Run, params: Any, core: Core) -> Done | Wait | Next:
    from shared.pipelines.images.evaluate import evaluate_step

    return evaluate_step(run, params, core)


def _load(folder: Path) -> Loaded[ImageInput, Judged]:
    from shared.pipelines.images.model import load

    return load(folder)


def _prepare_serving() -> None:
    from shared.pipelines.images import scorer  # noqa: F401  (onnxruntime, NumPy and Pillow come with it)


def _score(model: Loaded[ImageInput, Judged], rows: Iterator[Row]) -> Scores:
    from shared.pipelines.images.score import score

    return score(cast("ImageModel", model), rows)


def _serve(standing: Standing, given: Sequence[ImageInput]) -> Sequence[Answered]:
    from shared.pipelines.images.serving import serve

    return serve(standing, given)


def _dump(output: Judged) -> JsonObject:
    return {"rawScore": output.raw_score, "aiRating": output.ai_rating}


PIPELINE: Final = Pipeline[ImageInput, Judged](
    name=NAME,
    summary="How good is a webcam's picture? A network, trained on what people rated and served as ONNX.",
    source="images_examples",
    surfaces=TARGET_TYPES,
    surface_word="target_type",
    train_queue=Queue.GPU,
    split=split_policy(),
    min_samples=policy().min_samples,
    windows={"all": None},
    parse_input=parse_input,
    train=LongTraining(train=_train),
    load=_load,
    prepare_serving=_prepare_serving,
    score=_score,
    gates=gates,
    fallback=fallback,
    serve=_serve,
    dump_output=_dump,
    wider={
        "train": Wider(params=TrainParams, run=_train_step),
        "evaluate": Wider(params=EvaluateParams, run=_evaluate_step),
    },
    extra_steps=(*DATA_STEPS, *MODEL_STEPS, *SCORING_STEPS),
    reviews=REVIEWS,
    figures=Figures(
        headline=("accuracy", "mae"),
        less_is_better=("mae", "rmse", "calibration_error", "greatest_gap", "mean_gap"),
        bins=Bins(name="calibration", said="mean_score", true="share_good", rows="rows"),
    ),
    library_versions=("numpy", "pillow", "simplejpeg", "torch", "torchvision", "onnx", "onnxruntime"),
)
