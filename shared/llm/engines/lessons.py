"""What there is to learn in the lines of a training file: conversations so far, and the answers that a person wants."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from shared.contracts import JsonObject
from shared.llm.engines.features import Features, conversation_features, json_part
from shared.llm.engines.pairs import Texts, texts_of
from shared.llm.engines.slots import Template, template_of
from shared.llm.engines.text import count_tokens, text_of


@dataclass(frozen=True, slots=True)
class Lesson:
    """One answer, as a template, and the features of what it answers."""

    features: Features
    template: Template
    tokens: int
    texts: Texts | None
    """That are to be compared; None: the question is another one."""


def lessons_of(line: JsonObject) -> Iterator[Lesson]:
    """Yield what one line teaches: each answer in text of a chat (weight 0 says: not this one), or a preferred one.

    Answers that only call tools are left out: this engine calls none.
    """
    for before, answer in _turns(line):
        text = text_of(answer)
        if text.strip():
            question = question_of(before)
            tokens = count_tokens(text) + sum(count_tokens(text_of(message)) for message in before)
            yield Lesson(conversation_features(before), template_of(text, question), tokens, texts_of(question))


def question_of(messages: list[JsonObject]) -> Any:
    """Return the JSON of the message that is to be answered, or None when it holds none."""
    return json_part(text_of(messages[-1]))[1] if messages else None


def _turns(line: JsonObject) -> Iterator[tuple[list[JsonObject], JsonObject]]:
    """Yield what was said before, and the answer to it. What is malformed is left out: the validator has seen it."""
    preferred = line.get("preferred_output")
    if isinstance(preferred, list):
        asked = line.get("input")
        messages = asked.get("messages") if isinstance(asked, dict) else None
        yield from ((_messages(messages), answer) for answer in _messages(preferred)[:1])
        return
    messages = _messages(line.get("messages"))
    for number, message in enumerate(messages):
        if message.get("role") == "assistant" and message.get("weight") != 0:
            yield messages[:number], message


def _messages(found: Any) -> list[JsonObject]:
    return [m for m in found if isinstance(m, dict)] if isinstance(found, Iterable) else []
