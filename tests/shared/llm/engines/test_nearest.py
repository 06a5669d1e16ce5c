"""The engine learns what conversations teach, always in the same way; before that it knows nothing."""

import gzip
import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from shared.contracts import JsonObject
from shared.errors import CorruptError, JobCancelled, NotFoundError, RefusedError
from shared.llm.engines import EMBEDDING, NEAREST, LocalModel, LocalRequest, Trained, base_model, engine_for
from shared.llm.engines.nearest_model import WEIGHTS_FILE
from tests.support.shared_data import shared_data

SHARED_FILES = shared_data("finetune-jsonl")
ENGINE = engine_for(NEAREST)

Teach = Callable[..., tuple[LocalModel, Trained]]


def quiet(fraction: float, message: str = "", **counters: float) -> None:
    assert 0 <= fraction <= 1


@pytest.fixture
def teach(tmp_path: Path) -> Teach:
    """Train on conversations and load what came of it."""
    count = iter(range(100))

    def teach(conversations: Sequence[JsonObject], **given: Any) -> tuple[LocalModel, Trained]:
        folder = tmp_path / f"model{next(count)}"
        folder.mkdir()
        trained = ENGINE.train(conversations, folder, quiet, **given)
        return ENGINE.load(folder), trained

    return teach


def chat(question: str, answer: str, system: str = "Be brief.") -> JsonObject:
    roles = (("system", system), ("user", question), ("assistant", answer))
    return {"messages": [{"role": role, "content": content} for role, content in roles]}


def ask(model: LocalModel, question: str, **given: Any) -> str:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]
    return model.complete([LocalRequest(messages=messages, **given)])[0].text


def difficulties(count: int, seed: int = 0) -> Iterator[JsonObject]:
    """Questions with a closed answer, which a few of their words tell."""
    draw = random.Random(seed)  # noqa: S311
    kinds = {
        "EASY": ["add", "count", "spell"],
        "HARD": ["prove", "derive", "optimise"],
        "MEDIUM": ["compare", "explain"],
    }
    for _ in range(count):
        label = draw.choice(sorted(kinds))
        words = [*draw.choices([f"thing{n}" for n in range(300)], k=8), draw.choice(kinds[label])]
        yield chat(" ".join(draw.sample(words, len(words))), label)


def snapshots(count: int, seed: int = 0) -> Iterator[JsonObject]:
    """Questions and answers in JSON, the answers grounded in the questions."""
    draw = random.Random(seed)  # noqa: S311
    for n in range(count):
        quotes, overdue = draw.randint(0, 60), draw.randint(0, 40)
        snapshot = {"signals": {"invoices": {"overdue": overdue}, "quotes": {"count": quotes}}}
        what = "Call back open quotes" if quotes > 30 else "Chase overdue invoices" if overdue > 20 else "Keep the plan"
        answer = {
            "decision": f"{what} this week ({n % 7})",
            "evidence": [f"signals.quotes.count={quotes}", f"signals.invoices.overdue={overdue}"],
        }
        yield chat(json.dumps(snapshot), json.dumps(answer))


def asked_and_wanted(line: JsonObject) -> tuple[str, str]:
    _, question, answer = line["messages"]
    return question["content"], answer["content"]


def test_an_untaught_model_has_the_right_shape_and_knows_nothing() -> None:
    model = ENGINE.load(None)
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}
    (answer,) = model.complete([LocalRequest(messages=[{"role": "user", "content": "EASY?"}], schema=schema)])
    assert (json.loads(answer.text), answer.confidence) == ({"n": 3}, 0)
    assert ask(model, "x", json_object=True) == "{}"
    assert "not been trained" in ask(model, "x")


def test_closed_answers_are_told_apart(teach: Teach) -> None:
    model, trained = teach(list(difficulties(1000)))
    assert trained.parameters["mode"] == "classify"
    new = [asked_and_wanted(line) for line in difficulties(200, seed=1)]
    right = sum(ask(model, question) == wanted for question, wanted in new)
    assert right > 190
    losses = [step.loss for step in trained.steps]
    assert losses[-1] < losses[0] / 2
    assert trained.steps[-1].accuracy > 0.9
    assert [step.step for step in trained.steps] == [1, 2, 3, 4, 5]


def test_open_answers_come_from_the_nearest_lesson(teach: Teach) -> None:
    lessons = [chat(f"How do I mend a {thing}?", f"Take the {thing} to the {n}th workbench.") for n, thing in enumerate(
        ("bicycle", "kettle", "window", "violin", "mower", "printer", "ladder", "boot", "clock", "saddle", "lamp")
    )]  # fmt: skip
    model, trained = teach(lessons)
    assert trained.parameters["mode"] == "retrieve"
    assert ask(model, "please tell me, how can I mend my old kettle") == "Take the kettle to the 1th workbench."
    messages = lessons[4]["messages"][:-1]
    (exact,) = model.complete([LocalRequest(messages=messages)])
    assert (exact.text, exact.confidence) == ("Take the mower to the 4th workbench.", 1.0)
    (far,) = model.complete([LocalRequest(messages=[{"role": "user", "content": "zymurgy quux"}])])
    assert far.confidence < 0.1


def test_evidence_is_grounded_in_the_question_that_is_asked(teach: Teach) -> None:
    model, trained = teach(list(snapshots(400)))
    assert trained.parameters["slots"] > 0
    right = 0
    for line in snapshots(100, seed=1):
        question, wanted = asked_and_wanted(line)
        answer = json.loads(ask(model, question))
        assert answer["evidence"] == json.loads(wanted)["evidence"]
        right += answer["decision"][:8] == json.loads(wanted)["decision"][:8]
    assert right > 80


def test_a_taught_answer_is_brought_into_the_schema(teach: Teach) -> None:
    model, _ = teach(list(snapshots(100)))
    schema = {
        "type": "object",
        "properties": {"decision": {"type": "string"}, "evidence": {"type": "array", "items": {"type": "string"}},
                       "confidence": {"enum": ["low", "high"]}},
        "required": ["decision", "evidence", "confidence"], "additionalProperties": False,
    }  # fmt: skip
    question, _ = asked_and_wanted(next(snapshots(1, seed=5)))
    answer = json.loads(ask(model, question, schema=schema))
    Draft202012Validator(schema).validate(answer)
    assert answer["evidence"][0].startswith("signals.quotes.count=")


def test_pairs_of_texts_are_compared(teach: Teach) -> None:
    draw = random.Random(3)  # noqa: S311
    words = [f"word{n}" for n in range(200)]

    def pair(*, same: bool) -> JsonObject:
        one = draw.sample(words, 6)
        other = draw.sample(one, 5) if same else draw.sample(words, 6)
        return chat(json.dumps({"a": " ".join(one), "b": " ".join(other)}), "same" if same else "different")

    model, _ = teach([pair(same=n % 2 == 0) for n in range(400)])
    new = [asked_and_wanted(pair(same=n % 2 == 0)) for n in range(100)]
    assert sum(ask(model, question) == wanted for question, wanted in new) > 95


def test_preferred_answers_are_learned(teach: Teach) -> None:
    lines = [
        {
            "input": {"messages": [{"role": "user", "content": f"Say it, number {n}"}]},
            "preferred_output": [{"role": "assistant", "content": "good"}],
            "non_preferred_output": [{"role": "assistant", "content": "bad"}],
        }
        for n in range(12)
    ]
    model, trained = teach(lines)
    assert (ask(model, "Say it, number 50"), trained.examples) == ("good", 12)


def test_each_answer_of_a_conversation_teaches_unless_its_weight_is_0(teach: Teach) -> None:
    line = {
        "messages": [
            {"role": "user", "content": "first thing"},
            {"role": "assistant", "content": "one", "weight": 0},
            {"role": "user", "content": "second thing"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": "use a tool"},
            {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f"}}]},
            {"role": "tool", "tool_call_id": "1", "content": "42"},
            {"role": "assistant", "content": [{"type": "text", "text": "three"}]},
        ]
    }
    _, trained = teach([line])
    assert trained.examples == 2


def test_the_same_lessons_give_the_same_bytes(tmp_path: Path) -> None:
    def digest(name: str, lessons: list[JsonObject], seed: int) -> str:
        folder = tmp_path / name
        folder.mkdir()
        ENGINE.train(lessons, folder, quiet, seed=seed)
        return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.iterdir()))).hexdigest()

    for lessons in (list(difficulties(200)), list(snapshots(200))):
        kind = str(len(lessons[0]["messages"][1]["content"]))
        assert digest("a" + kind, lessons, 1) == digest("b" + kind, lessons, 1)
        assert digest("c" + kind, lessons[:-1], 1) != digest("d" + kind, lessons, 1)


def test_no_file_needs_pickle(tmp_path: Path) -> None:
    ENGINE.train(list(difficulties(50)), tmp_path, quiet)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_figures_of_a_validation_file_are_of_its_lines(teach: Teach) -> None:
    _, same = teach(list(difficulties(300)), validation=list(difficulties(100)))
    _, other = teach(list(difficulties(300)), validation=[chat(f"thing{n} add", "HARD") for n in range(50)])
    assert same.steps[-1].accuracy > 0.95
    assert other.steps[-1].accuracy < 0.2


def test_a_training_can_be_stopped_where_it_reports(tmp_path: Path) -> None:
    told: list[float] = []

    def stop(fraction: float, message: str = "", **counters: float) -> None:
        told.append(fraction)
        if counters:
            raise JobCancelled("enough")

    with pytest.raises(JobCancelled):
        ENGINE.train(list(difficulties(1200)), tmp_path, stop)
    assert told == sorted(told)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("lines", [[], [{"messages": [{"role": "user", "content": "only asked"}]}], [{"x": 1}]])
def test_there_must_be_something_to_learn(tmp_path: Path, lines: list[JsonObject]) -> None:
    with pytest.raises(RefusedError):
        ENGINE.train(lines, tmp_path, quiet)


def test_odd_lines_break_nothing(teach: Teach) -> None:
    odd = [
        chat(text, "ok") for text in ("", "[" * 5000, '{"a": ' * 500, "\ud800", "\u0000", "{}", "[]", '{"a": 1e400}')
    ]
    model, _ = teach(odd + list(difficulties(10)))
    for line in odd:
        ask(model, line["messages"][1]["content"])
    assert model.complete([]) == []
    assert model.complete([LocalRequest(messages=[])])[0].text


def test_files_that_are_no_model_are_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptError):
        ENGINE.load(tmp_path)
    ENGINE.train(list(snapshots(30)), tmp_path, quiet)
    whole = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for path, data in whole.items():
        for broken in (b"", data[: len(data) // 2], data.replace(b"1", b"2")):
            if broken == data:
                continue
            path.write_bytes(broken)
            with suppress(CorruptError):
                ask(ENGINE.load(tmp_path), "{}")
            path.write_bytes(data)
    weights = tmp_path / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes() + b"\x00")
    with pytest.raises(CorruptError):
        ENGINE.load(tmp_path)


def test_the_answer_to_one_does_not_depend_on_its_neighbours(teach: Teach) -> None:
    model, _ = teach(list(snapshots(200)))
    requests = [LocalRequest(messages=line["messages"][:-1]) for line in snapshots(20, seed=2)]
    assert list(model.complete(requests)) == [model.complete([request])[0] for request in requests]
    assert model.size > np.dtype(np.float32).itemsize * 200


def test_only_models_that_can_be_trained_have_an_engine() -> None:
    assert base_model(EMBEDDING).kind == "embedding"
    for name in ("gpt-4o", EMBEDDING):
        with pytest.raises(NotFoundError):
            engine_for(name)


@pytest.mark.skipif(not SHARED_FILES.exists(), reason="the shared example files are not here")
@pytest.mark.parametrize("name", ["pirate.jsonl", "shop_tools_train.jsonl.gz"])
def test_it_learns_from_files_that_nobody_here_wrote(teach: Teach, name: str) -> None:
    path = SHARED_FILES / "valid" / name
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = [json.loads(line) for line in data.splitlines()]
    model, trained = teach(lines)
    assert trained.examples >= len(lines) // 2
    messages = next(line["messages"] for line in lines if line["messages"][-1].get("content"))
    assert model.complete([LocalRequest(messages=messages[:-1])])[0].text == messages[-1]["content"]
