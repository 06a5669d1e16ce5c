"""Training, from rows to a model's folder: decode, fit, export; the same rows give the same files."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from shared.contracts import JsonObject
from shared.errors import RefusedError
from shared.pipeline import Row, TrainingSummary
from shared.pipelines.images.architectures import Scorer, build, imagenet_file, load_file, load_imagenet
from shared.pipelines.images.cache import squares
from shared.pipelines.images.charts import Line, lines
from shared.pipelines.images.checkpoint import BEST_FILE, BestFacts, Mirrored, save_best
from shared.pipelines.images.contracts import NAME, ImageInput, TargetType, parse_input, parse_label
from shared.pipelines.images.distributed import fit_together, gpus
from shared.pipelines.images.fitting import Places, Told, fit
from shared.pipelines.images.model_policy import model_policy
from shared.pipelines.images.onnx_export import export_onnx
from shared.pipelines.images.plan import Plan, make_plan
from shared.pipelines.images.preprocess import fingerprint
from shared.pipelines.images.reached import Reached
from shared.pipelines.images.samples import Samples, digest, weights_of
from shared.pipelines.images.train_params import TrainOptions, weights_file
from shared.stores import cache_folder
from shared.training import Training

SUMMARY_FILE: Final = "train_summary.json"
LOSS_FILE: Final = "loss.svg"
METRIC_FILE: Final = "metric.svg"
_READ, _DECODED, _FITTED = 0.02, 0.15, 0.95  # shares of the work, roughly


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Rows of one split, as training needs them."""

    inputs: list[ImageInput]
    targets: list[float]

    @classmethod
    def of(cls, rows: Iterable[Row], surface: TargetType) -> "Pictures":
        """Read the rows of a dataset or of a manifest."""
        inputs, targets = [], []
        for row in rows:
            inputs.append(parse_input(row.input))
            targets.append(parse_label(row.label).target(surface))
        return cls(inputs=inputs, targets=targets)


def train_pictures(train: Pictures, val: Pictures, folder: Path, training: Training) -> TrainingSummary:
    """Train on pictures and write the model's files: best.pt, model.onnx and what is known about both.

    Raises RefusedError or InvalidInputError for what cannot be trained, and what reading pictures raises.
    """
    options = TrainOptions.model_validate(training.params, from_attributes=True)
    if not train.inputs:
        raise RefusedError(
            "no rated picture is left to train on: all webcams are held out",
            advice="rate pictures of more webcams, then export or freeze again",
        )
    plan, file = _plan(options, training)
    learnt, held = _samples(plan, train, val, training)
    scorer = _network(plan, file)
    data = digest([each.artifact for each in (*train.inputs, *val.inputs)], [*train.targets, *val.targets])
    places = Places(
        folder=training.run.workdir,
        keep=training.checkpoints.keep,
        last=training.checkpoints.last(training.run.workdir),
    )
    began = time.monotonic()

    def told(share: float, message: str, figures: dict[str, float]) -> None:
        training.report(_DECODED + (_FITTED - _DECODED) * share, message, **figures)

    reached = _fitted(plan, scorer, learnt, held, key=plan.key(data), places=places, told=told)
    seconds = time.monotonic() - began
    _write(folder, plan, scorer.cpu(), reached, data=data, rows=(len(learnt), len(held)))
    training.report(1.0, "model exported")
    return TrainingSummary(
        parameters=_parameters(plan, reached),
        metrics={**_best(reached), "rows": len(learnt), "validation_rows": len(held), "epochs": reached.epoch,
                 "seconds": round(seconds, 1), "batch_halved": reached.halved},
    )  # fmt: skip


def _fitted(
    plan: Plan, scorer: Scorer, train: Samples, val: Samples, *, key: str, places: Places, told: Told
) -> Reached:
    """Fit the network here, or by one process for each GPU where there are several."""
    if plan.device == "cuda" and gpus() > 1:
        return fit_together(plan, scorer, train, val, key=key, places=places, told=told, processes=gpus())
    return fit(plan, scorer, train, val, key=key, places=places, told=told)


# --- before -----------------------------------------------------------------------------------------------------------


def _plan(options: TrainOptions, training: Training) -> tuple[Plan, Path | None]:
    """Decide everything. Without ``--weights``: those of imagenet if they are here, else none; the plan says which."""
    name = options.model_name or model_policy().training.model_name
    weights, file = options.weights, None
    if weights is None:
        here = imagenet_file(name)
        weights = "imagenet" if here is not None and here.is_file() else "none"
    elif weights not in {"none", "imagenet"}:
        file = weights_file(training.run, weights)
    surface: TargetType = "binary" if training.surface == "binary" else "regression"
    plan = make_plan(
        surface, model_name=name, weights=weights, preset=options.preset, epochs=options.epochs,
        batch_size=options.batch_size,
    )  # fmt: skip
    training.report(_READ, f"training {name} on {plan.device} in {plan.precision}, weights: {_start_of(plan)}")
    return plan, file


def _start_of(plan: Plan) -> str:
    return {"none": "none, from scratch", "imagenet": "imagenet"}.get(plan.weights, "of a file")


def _samples(plan: Plan, train: Pictures, val: Pictures, training: Training) -> tuple[Samples, Samples]:
    rules = model_policy().training
    side = plan.preprocessing.cache_side
    found = squares(
        cache_folder(f"{NAME}/{fingerprint(plan.preprocessing)[:16]}"),
        [each.file for each in (*train.inputs, *val.inputs)], training.run.artifacts,
        side=side, most_bytes=rules.cache_bytes, threads=rules.loaders,
        told=lambda done, total: training.report(
            _READ + (_DECODED - _READ) * done / max(1, total), f"decoded {done:,} of {total:,} pictures"
        ),
    )  # fmt: skip

    def of(pictures: Pictures, *, weighted: bool) -> Samples:
        targets = np.asarray(pictures.targets, dtype=np.float32)
        return Samples(
            pixels=found.pixels,
            places=np.asarray([found.places[each.artifact] for each in pictures.inputs], dtype=np.int64),
            targets=targets,
            weights=weights_of(targets, plan.surface, plan.max_weight) if weighted else np.ones_like(targets),
        )

    return of(train, weighted=True), of(val, weighted=False)


def _network(plan: Plan, file: Path | None) -> Scorer:
    torch.manual_seed(plan.seed)
    scorer = build(plan.model_name)
    if plan.weights == "imagenet":
        load_imagenet(scorer, plan.model_name)
    elif file is not None:
        load_file(scorer, file, plan.model_name)
    return scorer


# --- after ------------------------------------------------------------------------------------------------------------


def _write(folder: Path, plan: Plan, scorer: Scorer, reached: Reached, *, data: str, rows: tuple[int, int]) -> None:
    facts = BestFacts(
        surface=plan.surface, model_name=plan.model_name, preset=plan.preset_name,
        mirrored=plan.preset.evaluate.mirrored, weights=plan.weights, preprocessing=plan.preprocessing,
        fingerprint=fingerprint(plan.preprocessing), dataset=data, seed=plan.seed, metrics=_best(reached),
    )  # fmt: skip
    save_best(folder / BEST_FILE, facts, scorer)
    export_onnx(folder, facts, Mirrored(scorer, mirrored=facts.mirrored))
    summary = {
        **_parameters(plan, reached), "rows": {"train": rows[0], "val": rows[1]}, "dataset": data,
        "epochs_run": reached.epoch, "best": _best(reached), "history": reached.history,
    }  # fmt: skip
    (folder / SUMMARY_FILE).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    for name, chart in _curves(plan, reached.history).items():
        (folder / name).write_text(chart, encoding="utf-8")


def _parameters(plan: Plan, reached: Reached) -> JsonObject:
    return {
        **plan.model_dump(mode="json"),
        "best_epoch": reached.best_epoch,
        "batch_size": reached.batch_size,
        "batch_halved": reached.halved,
        "fingerprint": fingerprint(plan.preprocessing),
    }


def _best(reached: Reached) -> JsonObject:
    return next(dict(each) for each in reached.history if each["epoch"] == reached.best_epoch)


def _curves(plan: Plan, history: Sequence[JsonObject]) -> dict[str, str]:
    metric = "val_accuracy" if plan.surface == "binary" else "val_mae_stars"
    title = f"{plan.model_name}, {plan.surface}"
    losses = [Line("training", _points(history, "train_loss")), Line("validation", _points(history, "val_loss"))]
    return {
        LOSS_FILE: lines(f"Loss: {title}", "epoch", "cross entropy (nats)", losses),
        METRIC_FILE: lines(f"Validation: {title}", "epoch", metric, [Line(metric, _points(history, metric))]),
    }


def _points(history: Sequence[JsonObject], name: str) -> list[tuple[float, float]]:
    found: list[tuple[Any, Any]] = [(each["epoch"], each.get(name)) for each in history]
    return [(float(epoch), float(value)) for epoch, value in found if value is not None]
