"""The models of our own trainer in a serving process: fetched when first asked for, and kept while memory allows.

A model is addressed by what never changes: its base model's name and the hash of its artifact. So a process needs no
database to answer, and what it once loaded stays right.
"""

import base64
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from shared.contracts import JsonObject
from shared.errors import CorruptError, NotFoundError, TuneyardError
from shared.llm.engines import MINILM, LocalModel, LocalRequest, base_model, engine_for

log = structlog.get_logger()

_BUDGET_BYTES: Final = 1 << 29
_TRY_AGAIN_S: Final = 5.0  # a model that could not be loaded is not fetched anew for each call
_SETBACKS: Final = 256


class Files(Protocol):
    """Model files on the local disk (``shared/model_files.py``)."""

    def get(self, manifest: str) -> Path:
        """Return the folder of an artifact; download it first if need be."""
        ...

    def forget(self, manifest: str) -> None:
        """Delete an artifact's files."""
        ...


@dataclass(frozen=True, slots=True)
class Address:
    """Where a model is: the base model, and what training made of it (a manifest's hash; None: nothing yet)."""

    base_model: str
    manifest: str | None = None

    def __str__(self) -> str:
        return self.base_model if self.manifest is None else f"{self.base_model}@{self.manifest}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read what ``str`` wrote."""
        name, _, manifest = text.partition("@")
        return cls(name, manifest or None)


class LocalModels:
    """The local models that one process holds. ``answer`` may be called from several threads."""

    def __init__(self, files: Files, budget_bytes: int = _BUDGET_BYTES) -> None:
        self._files = files
        self._budget = budget_bytes
        self._loaded: OrderedDict[Address, LocalModel] = OrderedDict()
        self._setbacks: OrderedDict[Address, tuple[float, TuneyardError]] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, surface: str, inputs: Sequence[JsonObject]) -> list[JsonObject]:
        """Answer a batch for one address, in order, as plain JSON; ``{"error": …}`` for an input that cannot be.

        An input for a chat model has the fields of ``LocalRequest``, one for vectors ``texts`` and ``dimensions``.
        An empty batch asks only whether there is somebody. Raises nothing.
        """
        if not inputs:
            return []
        address = Address.parse(surface)
        try:
            if base_model(address.base_model).kind == "embedding":
                return [_embed(address.base_model, value) for value in inputs]
            model = self.get(address)
        except TuneyardError as error:
            return [{"error": error.as_dict()} for _ in inputs]
        return _complete_all(model, inputs)

    def get(self, address: Address) -> LocalModel:
        """Return a model, loaded. Raises NotFoundError, CorruptError or UnavailableError."""
        with self._lock:  # also while loading: two threads that want the same model shall not both fetch it
            model = self._loaded.get(address)
            if model is None:
                model = self._load(address)
                self._loaded[address] = model
            self._loaded.move_to_end(address)
            while len(self._loaded) > 1 and sum(m.size for m in self._loaded.values()) > self._budget:
                self._loaded.popitem(last=False)
            return model

    def _load(self, address: Address) -> LocalModel:
        since, error = self._setbacks.get(address, (0.0, None))
        if error is not None and time.monotonic() - since < _TRY_AGAIN_S:
            raise error
        began = time.monotonic()
        try:
            folder = None if address.manifest is None else self._files.get(address.manifest)
            model = engine_for(address.base_model).load(folder)
        except TuneyardError as error:
            self._note_setback(address, error)
            raise
        self._setbacks.pop(address, None)
        log.info("local model loaded", model=str(address), seconds=round(time.monotonic() - began, 3), bytes=model.size)
        return model

    def _note_setback(self, address: Address, error: TuneyardError) -> None:
        log.warning("local model not loaded", model=str(address), code=error.instance_code, reason=error.message)
        if isinstance(error, CorruptError) and address.manifest is not None:
            self._files.forget(address.manifest)  # the next try fetches and verifies it anew
        if not isinstance(error, NotFoundError):
            self._setbacks[address] = (time.monotonic(), error)
            while len(self._setbacks) > _SETBACKS:
                self._setbacks.popitem(last=False)


def _complete_all(model: LocalModel, inputs: Sequence[JsonObject]) -> list[JsonObject]:
    """Answer the inputs together, which takes less time; if one of them breaks that, each by itself."""
    if len(inputs) > 1:
        try:
            return [asdict(answer) for answer in model.complete([LocalRequest(**value) for value in inputs])]
        except Exception as error:  # noqa: BLE001  (as below; which one it was is found there)
            log.info("a batch is answered one by one", error=type(error).__name__)
    return [_complete(model, value) for value in inputs]


def _complete(model: LocalModel, value: JsonObject) -> JsonObject:
    try:
        (answer,) = model.complete([LocalRequest(**value)])
    except TuneyardError as error:
        return {"error": error.as_dict()}
    except Exception as error:  # noqa: BLE001  (whatever one input does to the model, its neighbours must not suffer)
        log.error("a local model broke at an input", error=type(error).__name__)  # noqa: TRY400  (it may quote the input)
        return {"error": TuneyardError(f"the model broke at this request ({type(error).__name__})").as_dict()}
    return asdict(answer)


def _embed(name: str, value: JsonObject) -> JsonObject:
    vectors: Any
    if name == MINILM:
        from shared.llm.engines import minilm

        vectors = minilm.encoder().vectors(value["texts"]).astype("<f4")
    else:
        from shared.llm.engines import embedding

        vectors = embedding.embed(value["texts"], value["dimensions"])
    return {"vectors": [base64.b64encode(vector.tobytes()).decode() for vector in vectors]}
