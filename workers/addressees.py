"""Whom a call of the inference queue is for: pipelines' models, and the local models of our own trainer.

An addressee says what is its own: how an answer is read from JSON, what happens when none comes, and how long to wait.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeVar

from shared.contracts import JsonObject, Path
from shared.errors import RefusedError, TuneyardError, UnavailableError
from shared.loop.predict import Answered, fallback_answer
from shared.pipeline import Pipeline

LLM: Final = "llm"

A_co = TypeVar("A_co", covariant=True)


class Addressee(Protocol[A_co]):
    """Answers calls in the inference workers. ``name`` is what its task is called, with ``.predict`` after it."""

    @property
    def name(self) -> str:
        """The task's first word, and what the worker knows it by."""
        ...

    @property
    def max_batch(self) -> int:
        """How many calls travel together at most."""
        ...

    @property
    def timeout_s(self) -> float | None:
        """How long a call may take; None: as long as the front's others."""
        ...

    def read(self, answer: JsonObject) -> A_co:
        """Read an answer from its JSON. May raise a TuneyardError, which then is the call's answer."""
        ...

    def fallback(self, value: Any) -> A_co:
        """Answer a (parsed) input without a worker, or raise UnavailableError."""
        ...


class ForPipeline:
    """A pipeline's active model; without it, or without a worker, its fallback."""

    max_batch = 256
    timeout_s = None

    def __init__(self, pipeline: Pipeline[Any, Any]) -> None:
        self._pipeline = pipeline
        self.name = pipeline.name

    def read(self, answer: JsonObject) -> Answered:
        """Read an answer as the pipeline's worker wrote it."""
        return Answered(**answer | {"path": Path(answer["path"])})

    def fallback(self, value: Any) -> Answered:
        """Answer without a model."""
        return fallback_answer(self._pipeline, value)


class ForLocalModels:
    """The models of our own trainer: an invented answer would be a lie, so without a worker there is an error.

    ``surface`` of such a call names the model (``shared/llm/local_models.py``).
    """

    name = LLM
    max_batch = 32  # of a millisecond each: the worker's other calls must not wait for long
    timeout_s = 15.0  # a model may have to be fetched and loaded first

    def read(self, answer: JsonObject) -> JsonObject:
        """Return an answer. Raises the error that the worker had with this call."""
        if "error" in answer:
            raise _error_of(answer["error"])
        return answer

    def fallback(self, value: Any) -> JsonObject:  # noqa: ARG002  (what was asked makes no difference)
        """Raise UnavailableError."""
        raise UnavailableError(
            "no worker answers for local models now",
            code="model-unavailable",
            advice="try again in a moment; the worker of the queue inference must run",
        )


LOCAL_MODELS: Final = ForLocalModels()


def _error_of(document: Mapping[str, Any]) -> TuneyardError:
    """Return the error that a worker had: the request's own fault, or the model's, which a caller cannot mend."""
    if document["code"] == RefusedError.code:
        return RefusedError(document["message"], advice=document.get("advice", ""))
    return UnavailableError(
        f"the model cannot answer now: {document['message']}",
        code="model-unavailable",
        advice="the log of the inference worker tells more",
    )
