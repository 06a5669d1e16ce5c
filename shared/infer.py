"""The step ``infer`` as a pipeline sees it: what it is asked, and what it tells of an answer that it gave.

The step itself is the loop's (``loop/infer.py``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract, JsonObject, Path

ModelName = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,200}$")]
"""A model's id, its version, or its provider's name of it."""


class InferParams(Contract):
    """What every step ``infer`` is asked; a pipeline adds the input."""

    model: ModelName | None = Field(
        default=None, description="A model's id, version or provider's name. Empty: whoever answers now."
    )


@dataclass(frozen=True, kw_only=True)
class Given:
    """An answer that the step ``infer`` gave, as a pipeline may keep it besides the prediction.

    ``value`` is the parsed input, ``input`` its JSON. ``model`` is the provider's name of who was asked (blank:
    nobody), also where the fallback answered; ``first_text`` is what it said at first, ``faults`` what that broke.
    """

    prediction_id: str
    job_id: str
    value: Any
    input: JsonObject
    output: JsonObject
    path: Path
    model: str
    model_id: str | None
    first_text: str
    faults: Sequence[JsonObject]


@dataclass(frozen=True, kw_only=True)
class Infer:
    """The step ``infer`` of a pipeline whose models are asked at a provider (``loop/infer.py``)."""

    summary: str
    params: type[InferParams]
    input_of: Callable[[Any], JsonObject]
    """From the parameters to the input's JSON."""
    surface_of: Callable[[Any], str] = lambda _: "default"
    """From the parsed input to the surface that answers it."""
    keep: Callable[[Connection, Given], None] | None = None
    """What else is written with the prediction, in the same transaction."""
