"""From labelled rows to lines of training files: conversations that end with the right answer, and pairs for DPO."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import ConfigDict

from shared.contracts import JsonObject
from shared.pipeline import Row
from shared.pipelines.gold.contracts import GoldAnswer, parse_snapshot
from shared.pipelines.gold.prompt import answer_text, question


class Label(GoldAnswer):
    """What a row of the view ``gold_examples`` says.

    ``negative``: the answer corrects one that broke a rule (``rejected``). ``origin``: who wrote the answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["gold", "negative"]
    origin: Literal["human", "machine"]
    rejected: str | None = None

    @property
    def answer(self) -> GoldAnswer:
        """The answer alone: the target of training."""
        return GoldAnswer.model_validate(self.model_dump(include=set(GoldAnswer.model_fields)))

    @property
    def is_gold(self) -> bool:
        """Whether a person concluded this: only then a model is measured by it."""
        return self.kind == "gold" and self.origin == "human"


def label_of(raw: Any) -> Label:
    """Read a row's label. Raises pydantic's ValidationError when the view gave something else."""
    return Label.model_validate(raw)


def chat_lines(rows: Iterable[Row]) -> Iterator[JsonObject]:
    """Yield one conversation for each row, in their order: a negative teaches its correction."""
    for row in rows:
        target = {"role": "assistant", "content": answer_text(label_of(row.label).answer)}
        yield {"messages": [*question(parse_snapshot(row.input)), target]}


def preference_lines(rows: Iterable[Row]) -> Iterator[JsonObject]:
    """Yield one pair for each negative: the correction is preferred to the text that was rejected (OpenAI's DPO)."""
    for row in rows:
        label = label_of(row.label)
        # a blank text cannot stand in a training file, and there is nothing to prefer something to
        if label.kind == "negative" and label.rejected and label.rejected.strip():
            yield {
                "input": {"messages": question(parse_snapshot(row.input))},
                "preferred_output": [{"role": "assistant", "content": answer_text(label.answer)}],
                "non_preferred_output": [{"role": "assistant", "content": label.rejected}],
            }
