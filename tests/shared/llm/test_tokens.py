"""The estimate of tokens, against counts that OpenAI has published, and its bounds on anything."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.llm.tokens import PER_EXAMPLE, PER_MESSAGE, count_example, count_tokens, count_tools

# the example of OpenAI's cookbook (How_to_count_tokens_with_tiktoken), for which the API bills 101 tokens
_SYSTEM = "You are a helpful assistant that can answer to questions about the weather."
_QUESTION = "What's the weather like in Pittsburgh?"
_WEATHER = {
    "name": "get_current_weather",
    "description": "Get the current weather in a given location",
    "parameters": {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
            "unit": {
                "type": "string", "description": "The unit of temperature to return", "enum": ["celsius", "fahrenheit"],
            },
        },
        "required": ["location"],
    },
}  # fmt: skip


def test_a_declared_function_costs_about_what_is_billed_for_it() -> None:
    tools = json.dumps([{"type": "function", "function": _WEATHER}], separators=(",", ":")).encode()
    assert count_example(f"{_SYSTEM}\n{_QUESTION}", 2, count_tools(tools)) == pytest.approx(101, rel=0.1)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("hello", 1),
        ("tiktoken is great!", 6),
        ("antidisestablishmentarianism", 6),
        ("2 + 2 = 4", 7),
        ("The price is 1234567 dollars.", 9),
        ('{"order_id": 94685}', 8),
    ],
)
def test_short_texts_come_close(text: str, tokens: int) -> None:
    assert abs(count_tokens(text) - tokens) <= 3


def test_twice_the_text_has_twice_the_tokens_also_over_blocks() -> None:
    text = "The quick brown fox jumps over 13 lazy dogs. Größe und Wärme, 東京 and 😺!\n"
    one = count_tokens(text * 100)
    assert count_tokens(text * 1000) == pytest.approx(10 * one, rel=0.001)


@given(st.text())
def test_any_text_has_tokens_but_not_more_than_bytes_twice(text: str) -> None:
    tokens = count_tokens(text)
    assert (tokens == 0) == (not text)
    assert tokens <= 2 * len(text.encode("utf-8", "replace")) + 1


def test_half_a_surrogate_pair_is_a_sign() -> None:
    assert count_tokens("a \ud83d b") == 3


def test_an_example_has_what_is_around_its_messages_too() -> None:
    assert count_example("", 2) == PER_EXAMPLE + 2 * PER_MESSAGE
    assert count_tools(b"[]") <= 1
