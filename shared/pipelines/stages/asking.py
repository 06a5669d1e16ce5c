"""One input, answered by whoever answers for its stage: what the step ``infer`` asks for."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from shared.contracts import JsonObject
from shared.errors import InvalidInputError
from shared.infer import Infer, InferParams
from shared.pipelines.stages.contracts import as_json, parse_any_input, stage_of_input

_EXAMPLE: Final[JsonObject] = {
    "schema_version": "stage_input_quant_signals_v1",
    "company": {"size": "2-5", "revenue": "100k-500k", "season": "usual", "age": "6-15"},
    "months": 3,
    "invoices": {"sent": 40, "days_to_paid": 41, "overdue_pct": 35, "overdue_over_60_days": 4},
}


def _checked(raw: JsonObject) -> JsonObject:
    try:
        return as_json(parse_any_input(raw))
    except InvalidInputError as error:
        raise ValueError(error.message) from None


class StageInferParams(InferParams):
    """What to answer, and which model to ask."""

    input: Annotated[JsonObject, AfterValidator(_checked)] = Field(
        description="A stage's input; its `schema_version` says which stage it is for (docs/schemas/stages).",
        examples=[_EXAMPLE],
        json_schema_extra={"option": "json"},
    )


INFER: Final = Infer(
    summary="Answer one input of a stage, through the guardrail; its rules answer where it has no model.",
    params=StageInferParams,
    input_of=lambda params: dict(params.input),
    surface_of=stage_of_input,
)
