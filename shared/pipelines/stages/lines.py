"""From approved rows to lines of training files: conversations that end with the approved answer."""

from collections.abc import Iterable, Iterator
from typing import Any

from shared.contracts import Contract, JsonObject
from shared.pipeline import Row
from shared.pipelines.stages.contracts import (
    Industry,
    StageInput,
    StageOutput,
    parse_any_input,
    parse_output,
    stage_of_input,
)
from shared.pipelines.stages.prompt import answer_text, question


class Label(Contract):
    """What a row of the view ``stages_examples`` says: the approved output, and the row's industry."""

    industry: Industry
    output: JsonObject


def label_of(raw: Any) -> Label:
    """Read a row's label. Raises pydantic's ValidationError when the view gave something else."""
    return Label.model_validate(raw)


def pair_of(row: Row) -> tuple[StageInput, StageOutput]:
    """Return a row's input and approved output. Raises InvalidInputError when they are of other contracts."""
    value = parse_any_input(row.input)
    return value, parse_output(stage_of_input(value), label_of(row.label).output)


def chat_lines(rows: Iterable[Row]) -> Iterator[JsonObject]:
    """Yield one conversation for each row, in their order."""
    for row in rows:
        value, output = pair_of(row)
        yield {"messages": [*question(value), {"role": "assistant", "content": answer_text(output)}]}
