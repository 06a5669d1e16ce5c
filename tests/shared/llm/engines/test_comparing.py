"""Texts that are compared: by sense, whichever comes first, with honest probabilities; and what compares nothing."""

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.contracts import JsonObject
from shared.errors import CorruptError
from shared.llm import engines
from shared.llm.engines import NEAREST, LocalAnswer, LocalModel, LocalRequest, Trained, engine_for
from shared.llm.engines.pairs import texts_of

SUBJECTS = ["invoices", "nurses", "trains", "the website", "bakeries", "schools", "our support team", "warehouses"]
SAYINGS = [
    ("{} often come too late", "{} are frequently delayed"),
    ("{} cost more than last year", "the price of {} has risen since last year"),
    ("{} should be closed", "we ought to shut down {}"),
    ("people like {} a lot", "{} are very popular"),
    ("{} need more money", "{} are underfunded"),
    ("{} are hard to understand", "nobody understands {}"),
    ("{} waste a lot of energy", "{} use far too much electricity"),
]


def lessons(count: int, subjects: list[str], seed: int = 0) -> Iterator[JsonObject]:
    """Yield lessons: the same said in other words, or something else of the same subject."""
    draw = random.Random(seed)  # noqa: S311
    for number in range(count):
        subject, same = draw.choice(subjects), number % 2 == 0
        one, other = draw.sample(SAYINGS, 2)
        texts = sorted([one[0].format(subject), (one if same else other)[1].format(subject)])
        asked = json.dumps({"a": texts[0], "b": texts[1]})
        yield {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer_of(same=same)}]}


def answer_of(*, same: bool) -> str:
    return "merge" if same else "separate"


def taught(folder: Path, lines: list[JsonObject]) -> tuple[LocalModel, Trained]:
    folder.mkdir(exist_ok=True)
    engine = engine_for(NEAREST)
    trained = engine.train(lines, folder, lambda *_, **__: None)
    return engine.load(folder), trained


def ask(model: LocalModel, content: str, **given: Any) -> LocalAnswer:
    (answer,) = model.complete([LocalRequest(messages=[{"role": "user", "content": content}], **given)])
    return answer


def digest(folder: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.iterdir()))).hexdigest()


@pytest.fixture(scope="module")
def lines() -> list[JsonObject]:
    return list(lessons(120, SUBJECTS[:6]))


def test_what_is_meant_counts_on_new_subjects(tmp_path: Path, lines: list[JsonObject]) -> None:
    model, trained = taught(tmp_path / "m", lines)
    assert (trained.parameters["mode"], trained.examples) == ("compare", 120)
    assert [step.step for step in trained.steps] == [1, 2, 3, 4, 5]
    new = list(lessons(60, SUBJECTS[6:], seed=1))
    answers = [ask(model, line["messages"][0]["content"], top_logprobs=5) for line in new]
    right = [a.text == line["messages"][1]["content"] for a, line in zip(answers, new, strict=True)]
    assert sum(right) > 50
    assert sum(a.confidence for a in answers) / 60 == pytest.approx(sum(right) / 60, abs=0.2)
    assert all(0.5 <= a.confidence <= 1 for a in answers)


def test_it_makes_no_difference_which_text_comes_first(tmp_path: Path, lines: list[JsonObject]) -> None:
    model, _ = taught(tmp_path / "m", lines)
    one, other = "trains often come too late", "the price of trains has risen since last year"
    told = [ask(model, json.dumps({"a": a, "b": b}), top_logprobs=2) for a, b in ((one, other), (other, one))]
    assert told[0] == told[1]
    requests = [LocalRequest(messages=line["messages"][:1]) for line in lines[:20]]
    together = [answer.confidence for answer in model.complete(requests)]
    alone = [model.complete([request])[0].confidence for request in requests]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_same_lessons_give_the_same_bytes(tmp_path: Path, lines: list[JsonObject]) -> None:
    taught(tmp_path / "one", lines)
    taught(tmp_path / "two", lines)
    taught(tmp_path / "three", lines[:-1])
    assert digest(tmp_path / "one") == digest(tmp_path / "two") != digest(tmp_path / "three")


def test_a_question_without_texts_gets_the_usual_answer(tmp_path: Path) -> None:
    mostly = [line for n, line in enumerate(lessons(120, SUBJECTS[:6])) if n % 2 or n % 6 == 0]  # one in four: merge
    model, _ = taught(tmp_path / "m", mostly)
    for odd in ("", "hello", '{"a": 1, "b": "x"}', '{"a": "x", "c": "y"}', '{"a": "x"}', '["x", "y"]'):
        answer = ask(model, odd)
        assert answer.text == "separate"
        assert answer.confidence == pytest.approx(0.75, abs=0.01)
    hostile = json.dumps({"a": "\ud800\x00\u202e" + "x" * 100_000, "b": ""})
    assert ask(model, hostile).text in {"merge", "separate"}
    assert model.complete([]) == []


def test_an_answer_in_json_has_its_probabilities_too(tmp_path: Path, lines: list[JsonObject]) -> None:
    model, _ = taught(tmp_path / "m", lines)
    decision = {"type": "string", "enum": ["merge", "separate"]}
    schema = {"type": "object", "properties": {"decision": decision}, "required": ["decision"]}
    answer = ask(model, lines[0]["messages"][0]["content"], schema=schema, top_logprobs=3)
    assert "".join(token["token"] for token in answer.tokens or ()) == answer.text == '{"decision":"merge"}'
    (differing,) = [token for token in answer.tokens or () if len(token["top_logprobs"]) > 1]
    assert {one["token"] for one in differing["top_logprobs"]} == {"merge", "separate"}
    assert np.exp(differing["logprob"]) == pytest.approx(answer.confidence)
    assert ask(model, "x").tokens is None


def test_a_model_of_another_encoder_is_not_used(tmp_path: Path, lines: list[JsonObject]) -> None:
    taught(tmp_path / "m", lines)
    facts = json.loads((tmp_path / "m" / "engine.json").read_text())
    (tmp_path / "m" / "engine.json").write_text(json.dumps(facts | {"encoder": "local-minilm@0"}))
    with pytest.raises(CorruptError, match="another encoder"):
        engine_for(NEAREST).load(tmp_path / "m")


def test_without_the_encoder_words_are_compared(
    tmp_path: Path, lines: list[JsonObject], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_installed", lambda _: False)
    _, trained = taught(tmp_path / "m", lines)
    assert trained.parameters["mode"] == "classify"


def test_only_a_few_texts_and_nothing_else_are_compared() -> None:
    assert texts_of({"b": "x", "a": "y"}) == (("a", "y"), ("b", "x"))
    others: list[Any] = [None, "x", [], {}, {"a": "x"}, {"a": "x", "b": 1}, dict.fromkeys("abcde", "x")]
    assert [texts_of(other) for other in others] == [None] * len(others)
