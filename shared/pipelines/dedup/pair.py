"""What dedup's model takes and gives: two statements with their similarity, and whether to merge them."""

from typing import Annotated, Any, Final, Self

from pydantic import Field, ValidationError, model_validator

from shared.contracts import Contract, JsonObject
from shared.errors import InvalidInputError
from shared.pipelines.dedup.contracts import PairLabel
from shared.pipelines.dedup.prompt import MERGE, SEPARATE, in_order

MAX_STATEMENT_CHARS: Final = 10_000
"""Of what a model is asked about. What is taken in is bounded by the policy, which allows no more."""

Statement = Annotated[str, Field(min_length=1, max_length=MAX_STATEMENT_CHARS, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]


class Pair(Contract):
    """Two statements, in their one order (``prompt.in_order``), and the cosine of their vectors (-1 to 1).

    ``similarity`` is None where their vectors cannot be compared.
    """

    a: Statement
    b: Statement
    similarity: float | None = Field(default=None, ge=-1.0001, le=1.0001)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if (self.a, self.b) != in_order(self.a, self.b):
            raise ValueError("a must not come after b")
        return self


class MergeAnswer(Contract):
    """What a model says of a pair. ``merge_probability`` is its share for ``merge``, 0 to 1."""

    should_merge: bool
    merge_probability: float = Field(ge=0, le=1)


def pair_of(a: str, b: str, similarity: float | None) -> Pair:
    """Return two statements as a pair, whichever comes first. Raises InvalidInputError."""
    first, second = in_order(a, b)
    return parse_pair({"a": first, "b": second, "similarity": similarity})


def parse_pair(raw: Any) -> Pair:
    """Read a pair from JSON, in whichever order its statements come.

    Raises InvalidInputError with what is wrong, which quotes no statement.
    """
    if isinstance(raw, dict) and isinstance(raw.get("a"), str) and isinstance(raw.get("b"), str):
        first, second = in_order(raw["a"], raw["b"])
        raw = {**raw, "a": first, "b": second}
    try:
        return Pair.model_validate(raw)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        told = "; ".join(f"{_where(fault['loc'])}: {fault['msg']}" for fault in faults)
        raise InvalidInputError(f"this is no pair of statements: {told}") from None


def _where(place: tuple[int | str, ...]) -> str:
    """Name a field that there is; what else somebody wrote is not repeated."""
    return str(place[0]) if place and place[0] in Pair.model_fields else "it"


def label_of(raw: Any) -> PairLabel:
    """Read a row's label. Raises InvalidInputError when the view gave something else."""
    if raw == MERGE:
        return "merge"
    if raw == SEPARATE:
        return "separate"
    raise InvalidInputError("a pair's label is merge or separate")


def dump_answer(answer: MergeAnswer) -> JsonObject:
    """Return an answer's JSON."""
    return answer.model_dump(mode="json")
