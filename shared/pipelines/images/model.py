"""An exported model in memory: onnxruntime, and the one preprocessing before it."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from shared.errors import CorruptError, NotFoundError, RefusedError
from shared.pipeline import Answer
from shared.pipelines.images.contracts import ImageInput, Judged, to_stars
from shared.pipelines.images.decoding import Pixels
from shared.pipelines.images.meta import INPUT, META_FILE, MODEL_FILE, OUTPUT, ModelMeta, read_meta
from shared.pipelines.images.preprocess import cached, fingerprint, to_input
from shared.stores import artifacts

_MAX_BYTES: Final = 2 << 30

Floats = NDArray[np.float32]


class ImageModel:
    """A model that scores pictures. Safe to call from several threads."""

    def __init__(self, folder: Path, meta: ModelMeta, session: ort.InferenceSession) -> None:
        self.folder = folder
        self.meta = meta
        self._session = session

    def predict(self, inputs: Sequence[ImageInput]) -> Sequence[Answer[Judged]]:
        """Score pictures that were imported; their bytes come from the artifact store of this process."""
        return [self.answer(score) for score in self.raw_scores([read_picture(each) for each in inputs])]

    def answer(self, score: float) -> Answer[Judged]:
        """Return what a raw score (0 to 1) says."""
        output = Judged(raw_score=score, ai_rating=to_stars(score))
        return Answer(output=output, confidence=self._confidence(score))

    def raw_scores(self, pictures: Sequence[bytes]) -> list[float]:
        """Score the files of pictures. Raises InvalidInputError for one that is none."""
        side = self.meta.preprocessing.cache_side
        return [float(s) for s in self.scores(np.stack([cached(data, side) for data in pictures]))] if pictures else []

    def scores(self, squares: Pixels) -> Floats:
        """Score decoded squares, uint8 [n, cache_side, cache_side, 3]; the scores are float32 [n], 0 to 1."""
        return self.scores_of_inputs(to_input(squares, self.meta.preprocessing))

    def scores_of_inputs(self, inputs: Floats) -> Floats:
        """Score what ``to_input`` has made."""
        (scores,) = self._session.run([OUTPUT], {INPUT: inputs})
        return np.asarray(scores, dtype=np.float32)

    def _confidence(self, score: float) -> float:
        """Return how sure the score is: of a class, its share; of a rating, one less its usual error (0 to 1)."""
        if self.meta.surface == "binary":
            return max(score, 1 - score)
        error = self.meta.metrics.get("val_mae_stars")
        return max(0.0, 1 - float(error) / 4) if isinstance(error, int | float) else 0.5


def read_picture(given: ImageInput) -> bytes:
    """Read the bytes of a picture that was imported. Raises NotFoundError, CorruptError or UnavailableError."""
    with artifacts().open(given.file) as file:
        return file.read()


def load(folder: Path, *, model_file: str = MODEL_FILE) -> ImageModel:
    """Load ``model.onnx`` with the ``model.meta.json`` beside it.

    Raises NotFoundError or CorruptError for the files, RefusedError when this version prepares pictures in another way.
    """
    meta = read_meta(folder)
    file = folder / model_file
    if not file.is_file():
        raise NotFoundError(f"there is no {model_file} beside {META_FILE}")
    if file.stat().st_size != meta.size or meta.size > _MAX_BYTES:
        raise CorruptError("model.onnx is not the one that model.meta.json is about")
    graph = file.read_bytes()
    if hashlib.sha256(graph).hexdigest() != meta.sha256:
        raise CorruptError("model.onnx is not the one that model.meta.json is about")
    if meta.fingerprint != fingerprint(meta.preprocessing):
        raise RefusedError(
            "the model was trained with another preprocessing than this version computes",
            advice="train it again (images.retrain): its scores would be of other pictures",
        )
    return ImageModel(folder, meta, _session(graph))


def _session(graph: bytes) -> ort.InferenceSession:
    """Open a graph. From bytes: so it has no folder in which it could look for data outside itself."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    # threads that wait in a loop take the cores from whoever else works on this machine
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # what it warns of is of no use to whoever runs it
    try:
        session = ort.InferenceSession(graph, options, providers=_providers())
    except Exception as error:  # onnxruntime's own kinds, which it does not document
        raise CorruptError("model.onnx cannot be opened") from error
    if [i.name for i in session.get_inputs()] != [INPUT] or [o.name for o in session.get_outputs()] != [OUTPUT]:
        raise CorruptError("model.onnx is no model of images: its input or output has another name")
    return session


def _providers() -> list[str]:
    cuda = "CUDAExecutionProvider"
    return [*([cuda] if cuda in ort.get_available_providers() else []), "CPUExecutionProvider"]
