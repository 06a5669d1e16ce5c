"""How likely each of a few answers was, read alike from OpenAI's tokens and from ours."""

import math

import pytest

from shared.contracts import Path
from shared.llm.chat import Candidate, Completion, Token
from shared.llm.probabilities import shares_of

CHOICES = ("merge", "separate")


def completion(*tokens: tuple[str, dict[str, float]]) -> Completion:
    told = tuple(
        Token(
            token=token,
            logprob=math.log(likely.get(token, 1.0)),
            top=tuple(Candidate(token=text, logprob=math.log(share)) for text, share in likely.items()),
        )
        for token, likely in tokens
    )
    return Completion(
        text="".join(token for token, _ in tokens), path=Path.MODEL, model="m", finish_reason="stop", prompt_tokens=1,
        completion_tokens=1, cost_usd=0, calls=1, tokens=told,
    )  # fmt: skip


def test_one_word() -> None:
    assert shares_of(completion(("merge", {"merge": 0.8, "separate": 0.2})), CHOICES) == pytest.approx(
        {"merge": 0.8, "separate": 0.2}
    )


def test_pieces_of_words_and_other_spellings_count() -> None:
    told = completion(("sep", {"sep": 0.5, " Merge": 0.2, "merge": 0.1, "other": 0.2}), ("arate", {"arate": 1.0}))
    assert shares_of(told, CHOICES) == pytest.approx({"separate": 0.625, "merge": 0.375})


def test_json_is_read_where_the_answers_differ() -> None:
    choices = ('{"decision":"merge"}', '{"decision":"separate"}')
    told = completion(
        ('{"', {'{"': 1.0}), ("decision", {"decision": 0.9}), ('": "', {'": "': 1.0}),
        ("merge", {"merge": 0.6, "separate": 0.4}), ('"}', {'"}': 1.0}),
    )  # fmt: skip
    assert shares_of(told, choices) == pytest.approx({choices[0]: 0.6, choices[1]: 0.4})


def test_a_token_alone_is_all_there_is() -> None:
    assert shares_of(completion(("merge", {})), CHOICES) == {"merge": 1.0, "separate": 0.0}


@pytest.mark.parametrize("tokens", [(), (("perhaps", {"perhaps": 1.0}),), ((" ", {}),)])
def test_another_answer_tells_nothing(tokens: tuple[tuple[str, dict[str, float]], ...]) -> None:
    assert shares_of(completion(*tokens), CHOICES) is None


def test_without_tokens_or_without_a_choice_there_is_nothing_to_read() -> None:
    plain = completion(("merge", {"merge": 1.0}))
    assert shares_of(plain.model_copy(update={"tokens": None}), CHOICES) is None
    assert shares_of(plain, ("merge", "MERGE ")) is None
