"""Training files as datasets: the same conversations, the same dataset."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.artifact_stores import LocalStore
from shared.datasets import open_dataset
from shared.loop import conversations
from shared.loop.conversations import Conversations, example_of


def _chat(*contents: str, **others: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[n % 2], "content": text} for n, text in enumerate(contents)], **others}


def _publish(store: LocalStore, folder: Path, train: list[Any], test: list[Any] | None = None) -> Conversations:
    files = {"train": store.put("\n".join(map(json.dumps, train)).encode())}
    if test:
        files["test"] = store.put("\n".join(map(json.dumps, test)).encode())
    return conversations.publish(store, files, folder, seed=5)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def test_order_and_repetition_change_nothing(store: LocalStore, tmp_path: Path) -> None:
    lines = [_chat(f"q{n}", f"a{n}") for n in range(50)]
    first = _publish(store, tmp_path, lines)
    assert _publish(store, tmp_path, lines[::-1] + lines) == first
    assert _publish(store, tmp_path, lines[1:]).id != first.id
    dataset = open_dataset(store, first.manifest)
    rows = list(dataset.rows("train"))
    assert len(rows) == 50
    assert [row.id for row in rows] == sorted(row.id for row in rows)
    assert {row.label["content"] for row in rows} == {f"a{n}" for n in range(50)}
    assert all(dataset.find(row.id) == row for row in rows)
    assert list(tmp_path.iterdir()) == [tmp_path / "store"]


def test_what_is_held_out_is_not_learned_from(store: LocalStore, tmp_path: Path) -> None:
    lines = [_chat(f"q{n}", f"a{n}") for n in range(20)]
    made = _publish(store, tmp_path, lines, [lines[3], _chat("new", "one")])
    assert made.facts.splits == {"train": 19, "test": 2}
    held_out = {row.label["content"] for row in open_dataset(store, made.manifest).rows("test")}
    assert held_out == {"a3", "one"}


def test_the_last_answer_is_the_label_and_tools_are_part_of_the_question() -> None:
    asked, answer = example_of(_chat("q", "a", "r", "b", "thanks", tools=[{"name": "t"}]))
    assert answer == {"role": "assistant", "content": "b"}
    assert asked == {"tools": [{"name": "t"}], "messages": _chat("q", "a", "r")["messages"]}


def test_of_a_pair_the_better_answer_is_the_label() -> None:
    pair = {
        "input": _chat("q"),
        "preferred_output": [{"role": "assistant", "content": "good"}],
        "non_preferred_output": [{"role": "assistant", "content": "bad"}],
    }
    assert example_of(pair) == (_chat("q"), {"role": "assistant", "content": "good"})
