"""Scores pictures: who scores (a model, or the baseline), the scores that are remembered, and what a bad picture gets.

``AI_SCORING_MODE``, ``AI_ONNX_MODEL_PATH`` and ``AI_MODEL_VERSION`` overrule the registry's active model. A model that
cannot be loaded, or breaks, costs an alert: the baseline scores in its place, and every score says who gave it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import structlog

from shared.answering import Standing
from shared.errors import TuneyardError
from shared.files import uploads_of
from shared.pipelines.images.baseline import figures, raw_score
from shared.pipelines.images.contracts import NAME, ImageInput, Score, ScorePath, TargetType, to_stars
from shared.pipelines.images.decoding import Pixels, clean
from shared.pipelines.images.model import ImageModel, load
from shared.pipelines.images.policy import policy
from shared.pipelines.images.preprocess import cached
from shared.registered import alert, overruled, registered
from shared.stores import artifacts

log = structlog.get_logger()

UNREADABLE: Final = "image-model-unreadable"
"""The kind of the alert about a model that a deployment names and that cannot score."""
_THREADS: Final = 2  # decode while the network computes


@dataclass(frozen=True, kw_only=True)
class Source:
    """Who scores. Without a ``model`` the baseline does, on the path that says whether that is a fault."""

    model: ImageModel | None
    version: str
    model_id: str | None = None
    path: ScorePath = "onnx"


class Scored(NamedTuple):
    """What one picture got: a score and how sure it is, or what is wrong with the picture."""

    score: Score | None
    confidence: float = 0.0
    model_id: str | None = None
    fault: TuneyardError | None = None


# --- who scores -----------------------------------------------------------------------------------------------------


def source_of(standing: Standing) -> Source:
    """Return who scores for a surface now. Never raises: what a deployment names wrongly is an alert."""
    mode, version, path = overruled()
    if mode == "baseline":
        return _baseline("baseline")
    named = _file(path, version) if path else None
    if named and (named.model is None or named.model.meta.surface == standing.surface):
        return named
    if version and not path and version != standing.version:
        return _version(standing.surface, version)
    if isinstance(standing.model, ImageModel):
        return Source(model=standing.model, version=standing.version or "", model_id=standing.model_id)
    if mode == "onnx" and not standing.expected:
        return _nobody(standing.surface, _turn())
    return _baseline("baseline-fallback" if standing.expected else "baseline")


def standing_of(surface: TargetType) -> Standing:
    """Return the active model of a surface, loaded, for whoever is no serving process. Never raises, as above."""
    try:
        found = registered(NAME, surface, None)
        if found is None:
            return Standing(surface=surface, model=None, model_id=None, version=None, expected=False)
        model = load(found.folder)
    except TuneyardError as error:
        alert(UNREADABLE, f"active:{surface}", f"the active model of {surface} cannot score: {error.message}")
        return Standing(surface=surface, model=None, model_id=None, version=None, expected=True)
    return Standing(surface=surface, model=model, model_id=found.id, version=found.version, expected=True)


def _baseline(path: ScorePath) -> Source:
    return Source(model=None, version=policy().baseline.version, path=path)


def _file(path: Path, version: str) -> Source:
    """Return the model in a file that a deployment names; its name is the deployment's, or comes from its bytes."""
    try:
        stat = path.stat()
    except OSError:
        return _failed(str(path), "AI_ONNX_MODEL_PATH names no file that can be read")
    return _opened(str(path), stat.st_mtime_ns, version, _turn())


def _version(surface: str, version: str) -> Source:
    """Return the model of the registry that a deployment names, active or not."""
    return _registered(surface, version, _turn())


def _turn() -> int:
    """Return a number that changes every so often: what failed is tried again then."""
    return int(time.monotonic() // policy().serving.read_again_seconds)


@lru_cache(maxsize=8)
def _loaded(path: str, changed: int) -> ImageModel:  # noqa: ARG001  (another file at the same place is another model)
    file = Path(path)
    return load(file.parent, model_file=file.name)


@lru_cache(maxsize=8)
def _opened(path: str, changed: int, version: str, turn: int) -> Source:  # noqa: ARG001  (the key: see _turn)
    try:
        model = _loaded(path, changed)
    except (TuneyardError, OSError) as error:
        return _failed(path, f"the file of AI_ONNX_MODEL_PATH cannot score: {_told(error)}")
    return Source(model=model, version=version or f"onnx-{model.meta.sha256[:12]}")


@lru_cache(maxsize=8)
def _registered(surface: str, version: str, turn: int) -> Source:  # noqa: ARG001  (the key: see _turn)
    try:
        found = registered(NAME, surface, version)
        if found is None:
            return _baseline("baseline-fallback")
        return Source(model=_loaded(str(found.folder / "model.onnx"), 0), version=found.version, model_id=found.id)
    except TuneyardError as error:
        return _failed(f"{surface}:{version}", f"the model of AI_MODEL_VERSION cannot score: {error.message}")


@lru_cache(maxsize=8)
def _nobody(surface: str, turn: int) -> Source:  # noqa: ARG001  (the key: see _turn)
    return _failed(f"none:{surface}", f"AI_SCORING_MODE is onnx, and no model of {surface} is active")


def _failed(subject: str, message: str) -> Source:
    alert(UNREADABLE, subject, f"{message}; the baseline scores in its place")
    return _baseline("baseline-fallback")


def _told(error: Exception) -> str:
    return error.message if isinstance(error, TuneyardError) else type(error).__name__


# --- scoring --------------------------------------------------------------------------------------------------------


def score_pictures(source: Source, given: Sequence[ImageInput]) -> list[Scored]:
    """Score pictures, in order. A bad one gets its fault, and costs the others nothing. Never raises for a picture."""
    model = source.model
    found: list[Scored | None] = [_remembered(source, each) for each in given]
    left = [number for number, scored in enumerate(found) if scored is None]
    side = model.meta.preprocessing.cache_side if model else policy().baseline.side
    batch = policy().serving.batch
    with ThreadPoolExecutor(_THREADS) as pool:
        squares = {number: pool.submit(_square, given[number], side) for number in left}
        for first in range(0, len(left), batch):
            some = left[first : first + batch]
            for number, scored in zip(some, _some(source, [squares.pop(n) for n in some]), strict=True):
                found[number] = scored
                _remember(source, given[number], scored)
    return [scored for scored in found if scored is not None]


def _some(source: Source, squares: Sequence["Future[Pixels]"]) -> list[Scored]:
    pixels = [_result(square) for square in squares]
    good = [each for each in pixels if isinstance(each, np.ndarray)]
    scores = iter(_scores(source, np.stack(good)) if good else ())
    return [Scored(None, fault=each) if isinstance(each, TuneyardError) else next(scores) for each in pixels]


def _scores(source: Source, squares: Pixels) -> list[Scored]:
    if source.model is None:
        return [_scored(source, raw_score(figures(square))) for square in squares]
    try:
        scores = source.model.scores(squares).tolist()
    except Exception as error:  # whatever the runtime may raise: no request fails because of a model
        log.exception("a model broke: the baseline scores in its place", version=source.version)
        alert(UNREADABLE, source.version, f"the model {source.version} broke while it scored: {type(error).__name__}")
        return [_scored(_baseline("baseline-fallback"), raw_score(figures(square))) for square in squares]
    return [_scored(source, float(score)) for score in scores]


def _scored(source: Source, raw: float) -> Scored:
    raw = min(max(raw, 0.0), 1.0)
    score = Score(raw_score=raw, ai_rating=to_stars(raw), model_version=source.version, path=source.path)
    confidence = source.model.answer(raw).confidence if source.model else 0.0
    return Scored(score, confidence, source.model_id)


def _result(square: "Future[Pixels]") -> Pixels | TuneyardError:
    try:
        return square.result()
    except TuneyardError as error:
        return error


def _square(given: ImageInput, side: int) -> Pixels:
    store = uploads_of(artifacts()) if given.uploaded else artifacts()
    with store.open(given.file) as file:
        data = file.read()
    # an upload is cleaned as an import would, so that the same file gets the same score on both ways
    return cached(clean(data).data if given.uploaded else data, side)


# --- scores that are remembered -------------------------------------------------------------------------------------

_memory: "OrderedDict[tuple[str, str, bool], Scored]" = OrderedDict()
_lock: Final = threading.Lock()


def _key(source: Source, given: ImageInput) -> tuple[str, str, bool] | None:
    return (source.model.meta.sha256, given.artifact, given.uploaded) if source.model else None


def _remembered(source: Source, given: ImageInput) -> Scored | None:
    key = _key(source, given)
    if key is None:
        return None
    with _lock:
        found = _memory.get(key)
        if found is None or found.score is None:
            return None
        _memory.move_to_end(key)
    score = found.score.model_copy(update={"path": "cache", "model_version": source.version})
    return found._replace(score=score, model_id=source.model_id)


def _remember(source: Source, given: ImageInput, scored: Scored) -> None:
    key = _key(source, given)
    if key is None or scored.score is None or scored.score.path != "onnx":
        return
    with _lock:
        _memory[key] = scored
        while len(_memory) > policy().serving.remembered:
            _memory.popitem(last=False)


def forget() -> None:
    """Forget all scores and models (tests do)."""
    with _lock:
        _memory.clear()
    for remembered in (_loaded, _opened, _registered, _nobody):
        remembered.cache_clear()
