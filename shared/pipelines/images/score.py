"""Scoring a model on rows that people have rated: one figure for each row, and the whole report of an evaluation.

A row's figure is 1 where the class is right (``binary``), or how close the rating is, 1 - error / 4 (``regression``).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.contracts import JsonObject
from shared.gates import no_regression
from shared.pipeline import Comparison, Row, Scores
from shared.pipelines.images.baseline import baseline_scores
from shared.pipelines.images.contracts import TargetType, parse_input, parse_label, to_stars
from shared.pipelines.images.intervals import interval
from shared.pipelines.images.measures import auc, f1, r_squared, spearman
from shared.pipelines.images.model import ImageModel, read_picture
from shared.pipelines.images.model_policy import model_policy
from shared.pipelines.images.preprocess import Preprocessing, cached, to_input

_BATCH: Final = 32
_HALF: Final = 0.5

Floats = NDArray[np.float64]
Figure = Callable[["Judgements"], float | None]


class Inputs(Protocol):
    """What scores prepared pictures, float32 [n, 3, side, side], as 0 to 1 [n]."""

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores."""
        ...


@dataclass(frozen=True, kw_only=True)
class Judgements:
    """What a scorer said of some rows, and what people did; each part has one entry for each row."""

    surface: TargetType
    scores: Floats
    targets: Floats
    webcams: NDArray[np.str_]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.scores)

    def of(self, rows: NDArray[Any]) -> "Judgements":
        """Return some of them, by place or by mask."""
        return Judgements(
            surface=self.surface, scores=self.scores[rows], targets=self.targets[rows], webcams=self.webcams[rows]
        )

    @property
    def per_row(self) -> Floats:
        """How good each score is, 0 to 1."""
        if self.surface == "binary":
            right: Floats = ((self.scores > _HALF) == (self.targets > _HALF)).astype(np.float64)
            return right
        closeness: Floats = 1 - np.abs(self.scores - self.targets)
        return closeness


def score(model: ImageModel, rows: Iterator[Row]) -> Scores:
    """Score a model's ONNX file, beside the baseline, and beside its own torch weights where they lie with it."""
    return judged(model.meta.surface, model.meta.preprocessing, model.scores_of_inputs, rows, torch_of(model))


def torch_of(model: ImageModel) -> Inputs | None:
    """Return the network that a model was exported from, for parity; None where it is not there."""
    from shared.pipelines.images.parity import torch_scores  # torch is not everywhere where models answer

    return torch_scores(model.folder)


def judged(
    surface: TargetType, how: Preprocessing, scorer: Inputs, rows: Iterator[Row], other: Inputs | None = None
) -> Scores:
    """Score rows with any scorer; ``other`` is one that must say the same (parity)."""
    kept: list[Row] = []
    said: list[NDArray[np.float32]] = []
    plain: list[float] = []
    gaps: list[NDArray[np.float32]] = []
    while batch := list(islice(rows, _BATCH)):
        pictures = [read_picture(parse_input(row.input)) for row in batch]
        inputs = to_input(np.stack([cached(data, how.cache_side) for data in pictures]), how)
        said.append(scorer(inputs))
        if other is not None:
            gaps.append(np.abs(other(inputs) - said[-1]))
        plain += baseline_scores(pictures)
        kept += batch
    found = Judgements(
        surface=surface,
        scores=np.concatenate(said).astype(np.float64),
        targets=np.asarray([parse_label(row.label).target(surface) for row in kept]),
        webcams=np.asarray([row.group for row in kept]),
    )
    base = Judgements(surface=surface, scores=np.asarray(plain), targets=found.targets, webcams=found.webcams)
    metrics = {**report(found, kept), "baseline": _beside(found, base)}
    if other is not None:
        metrics["parity"] = _parity(np.concatenate(gaps))
    return _scores(found, metrics)


def report(found: Judgements, rows: Sequence[Row]) -> JsonObject:
    """Return all figures of an evaluation; intervals draw whole webcams."""
    named = FIGURES[found.surface]
    return {
        "rows": len(found),
        "webcams": len(set(found.webcams.tolist())),
        **{name: figure(found) for name, figure in named.items()},
        "intervals": {name: interval(found, figure, model_policy().evaluation) for name, figure in named.items()},
        **({"calibration": calibration(found), **_confusion(found)} if found.surface == "binary" else {}),
        "per_webcam": _by(found, found.webcams.tolist(), model_policy().evaluation.groups_listed),
        "per_hour": _by_hour(found, rows),
        "worst": _worst(found, rows),
    }


# --- figures ----------------------------------------------------------------------------------------------------------


def _accuracy(found: Judgements) -> float | None:
    return float(found.per_row.mean()) if len(found) else None


def _auc(found: Judgements) -> float | None:
    return auc(found.scores, found.targets > _HALF)


def _f1(found: Judgements) -> float | None:
    return f1(found.scores > _HALF, found.targets > _HALF)


def _calibration_error(found: Judgements) -> float | None:
    """Return the mean gap between score and share of good pictures over bins of the score, weighted by rows (ECE)."""
    if not len(found):
        return None
    bins = _bins(found)
    count = model_policy().evaluation.bins
    gaps = np.bincount(bins, weights=found.scores - found.targets, minlength=count)
    return float(np.abs(gaps).sum() / len(found))


def _mae(found: Judgements) -> float | None:
    return float(4 * np.abs(found.scores - found.targets).mean()) if len(found) else None


def _rmse(found: Judgements) -> float | None:
    return float(4 * np.sqrt(((found.scores - found.targets) ** 2).mean())) if len(found) else None


def _spearman(found: Judgements) -> float | None:
    return spearman(found.scores, found.targets)


def _r2(found: Judgements) -> float | None:
    return r_squared(found.scores, found.targets)


FIGURES: Final[dict[TargetType, dict[str, Figure]]] = {
    "binary": {"accuracy": _accuracy, "auc": _auc, "f1": _f1, "calibration_error": _calibration_error},
    "regression": {"mae": _mae, "rmse": _rmse, "spearman": _spearman, "r2": _r2},
}
"""What is reported of each surface: of ``regression`` in stars."""


def calibration(found: Judgements) -> list[JsonObject]:
    """Return for each bin of the score with rows in it: their number, mean score and share of good pictures."""
    bins, count = _bins(found), model_policy().evaluation.bins
    return [
        {"low": number / count, "high": (number + 1) / count, "rows": int(inside.sum()),
         "mean_score": float(found.scores[inside].mean()), "share_good": float(found.targets[inside].mean())}
        for number in range(count) if (inside := bins == number).any()
    ]  # fmt: skip


def _confusion(found: Judgements) -> JsonObject:
    """Return the names of the two classes, and a row for each true one with a column for each that was answered."""
    said, good = found.scores > _HALF, found.targets > _HALF
    counts = [[int(((good == truth) & (said == answer)).sum()) for answer in (False, True)] for truth in (False, True)]
    return {"labels": ["poor", "good"], "confusion": counts}


def _bins(found: Judgements) -> NDArray[np.int64]:
    count = model_policy().evaluation.bins
    return np.minimum((found.scores * count).astype(np.int64), count - 1)


# --- parts ------------------------------------------------------------------------------------------------------------


def _by(found: Judgements, names: Sequence[str], most: int) -> list[JsonObject]:
    """Return the figures of each name's rows, the names with the most rows first."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    ordered = sorted(places.items(), key=lambda item: (-len(item[1]), item[0]))[:most]
    main = next(iter(FIGURES[found.surface]))
    return [
        {"name": name, "rows": len(rows), main: FIGURES[found.surface][main](part),
         "mean_score": float(part.scores.mean()), "mean_target": float(part.targets.mean())}
        for name, rows in ordered for part in [found.of(np.asarray(rows))]
    ]  # fmt: skip


def _by_hour(found: Judgements, rows: Sequence[Row]) -> list[JsonObject]:
    hours = [parse_input(row.input).hour for row in rows]
    known = [place for place, hour in enumerate(hours) if hour is not None]
    if not known:
        return []
    named = _by(found.of(np.asarray(known)), [f"{hours[place]:02d}" for place in known], 24)
    return sorted(named, key=lambda each: str(each["name"]))


def _worst(found: Judgements, rows: Sequence[Row]) -> list[JsonObject]:
    """Return the rows where score and people are farthest apart."""
    order = np.lexsort((np.asarray([row.id for row in rows]), -np.abs(found.scores - found.targets)))
    return [
        {"image": rows[place].id, "input": rows[place].input, "webcam": rows[place].group,
         "score": float(found.scores[place]), "target": float(found.targets[place]),
         "ai_rating": to_stars(float(found.scores[place])), "stars": parse_label(rows[place].label).stars}
        for place in order[: model_policy().evaluation.mistakes].tolist()
    ]  # fmt: skip


def _beside(found: Judgements, base: Judgements) -> JsonObject:
    """Compare with the scorer that needs no model, on the same pictures, by the same test as with an active model."""
    comparison = Comparison(window="all", candidate=_scores(found, {}), active=_scores(base, {}))
    verdict = no_regression(comparison, model_policy().gate)
    figures = {name: figure(base) for name, figure in FIGURES[found.surface].items()}
    return {**figures, "verdict": verdict.model_dump(mode="json")}


def _parity(gaps: NDArray[np.float32]) -> JsonObject:
    return {"rows": len(gaps), "greatest_gap": float(gaps.max()), "mean_gap": float(gaps.mean())}


def _scores(found: Judgements, metrics: JsonObject) -> Scores:
    return Scores(per_row=found.per_row.tolist(), metrics=metrics, groups=found.webcams.tolist())
