"""Reading, searching and comparing frozen datasets, on files made here line by line."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.artifact_stores import LocalStore
from shared.artifacts import ArtifactStore
from shared.contracts import JsonObject
from shared.dataset_diff import compare, diff
from shared.datasets import Dataset, DatasetFacts, open_dataset, publish_dataset
from shared.errors import CorruptError, NotFoundError
from shared.pipeline import Row

AT = "2026-10-01T12:00:00+00:00"

ids = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=6)
# long inputs make lines that are larger than what a search reads at once
examples = st.fixed_dictionaries(
    {
        "label": st.sampled_from(["EASY", "HARD"]),
        "input": st.sampled_from(["short", 'with "quotes" and \\', "x" * 5_000, "long " * 20_000]),
        "split": st.sampled_from(["train", "test"]),
    }
)
contents = st.dictionaries(ids, examples, max_size=40)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return LocalStore(tmp_path_factory.mktemp("artifacts"))


def _line(name: str, content: Mapping[str, Any]) -> JsonObject:
    return {
        "id": name, "group": content.get("group", name), "input": content["input"], "label": content["label"],
        "at": AT, "split": content["split"],
    }  # fmt: skip


def _dataset(store: ArtifactStore, content: Mapping[str, Mapping[str, Any]]) -> Dataset:
    lines = [_line(name, content[name]) for name in sorted(content)]
    with store.writer() as writer:
        for line in lines:
            writer.write(orjson.dumps(line) + b"\n")
    splits = {split: sum(line["split"] == split for line in lines) for split in ("train", "test")}
    facts = DatasetFacts(pipeline="router", surface="default", seed=1, test_share=0.2, rows=len(lines), splits=splits)
    return open_dataset(store, publish_dataset(store, writer.ref, facts))


def _example(label: str = "EASY", split: str = "train", **more: str) -> dict[str, str]:
    return {"label": label, "input": "what is it?", "split": split, **more}


def test_a_row_comes_back_as_it_was_frozen(store: ArtifactStore) -> None:
    dataset = _dataset(store, {"ex_1": _example(group="g")})
    assert list(dataset.rows()) == [
        Row(
            id="ex_1", group="g", split="train", input="what is it?", label="EASY",
            at=datetime(2026, 10, 1, 12, tzinfo=UTC),
        )
    ]  # fmt: skip


@given(contents)
def test_splits_part_the_rows(store: ArtifactStore, content: dict[str, dict[str, str]]) -> None:
    dataset = _dataset(store, content)
    assert [row.id for row in dataset.rows()] == sorted(content)
    for split in ("train", "test"):
        assert [r.id for r in dataset.rows(split)] == [n for n in sorted(content) if content[n]["split"] == split]


def test_a_text_cannot_pass_for_the_end_of_a_line(store: ArtifactStore) -> None:
    dataset = _dataset(store, {"ex_1": _example(input='"split":"test"}\n', split="train")})
    assert len(list(dataset.rows("train"))) == 1
    assert not list(dataset.rows("test"))


@given(contents, st.lists(ids, max_size=10))
def test_search_finds_what_is_there_and_nothing_else(
    store: ArtifactStore, content: dict[str, dict[str, str]], others: list[str]
) -> None:
    dataset = _dataset(store, content)
    for name in content:
        found = dataset.find(name)
        assert found is not None
        assert (found.id, found.input) == (name, content[name]["input"])
    for name in others:
        assert dataset.contains(name) == (name in content)


def test_search_reads_little_of_a_large_dataset(store: ArtifactStore) -> None:
    dataset = _dataset(store, {f"ex_{n:06}": _example() for n in range(50_000)})
    reads = []

    class Counting(LocalStore):
        def read_range(self, *args: Any) -> bytes:
            reads.append(args)
            return store.read_range(*args)

    assert Dataset(store=Counting(Path("unused")), file=dataset.file, facts=dataset.facts).contains("ex_031415")
    assert len(reads) < 12


@given(contents, contents)
def test_a_diff_says_what_two_dictionaries_say(
    store: ArtifactStore, before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]
) -> None:
    differences = list(diff(_dataset(store, before), _dataset(store, after)))
    assert [d.id for d in differences] == sorted(d.id for d in differences)
    by_change = {c: {d.id for d in differences if d.change == c} for c in ("added", "removed", "changed")}
    assert by_change == {
        "added": after.keys() - before.keys(),
        "removed": before.keys() - after.keys(),
        "changed": {name for name in before.keys() & after.keys() if before[name] != after[name]},
    }


def test_a_change_names_its_fields_and_shows_no_input(store: ArtifactStore) -> None:
    before = _dataset(store, {"a": _example(), "b": _example(), "c": _example()})
    after = _dataset(store, {"b": _example("HARD", "test", input="new"), "c": _example(), "d": _example()})
    found = compare(before, after)
    assert (found.before, found.after) == (before.id, after.id)
    assert (found.added, found.removed, found.changed, found.unchanged, found.truncated) == (1, 1, 1, 1, False)
    removed, changed, added = found.items
    assert (removed.id, changed.id, added.id) == ("a", "b", "d")
    assert changed.fields == ("input", "label", "split")
    assert changed.before == {"label": "EASY", "at": AT, "split": "train"}
    assert changed.after == {"label": "HARD", "at": AT, "split": "test"}


def test_a_long_diff_is_counted_whole_and_listed_in_part(store: ArtifactStore) -> None:
    found = compare(_dataset(store, {}), _dataset(store, {str(n): _example() for n in range(10)}), limit=3)
    assert (found.added, len(found.items), found.truncated) == (10, 3, True)


@given(contents, ids)
def test_rows_are_read_from_any_place_on(store: ArtifactStore, content: dict[str, dict[str, str]], place: str) -> None:
    dataset = _dataset(store, content)
    assert [row.id for row in dataset.rows_from()] == sorted(content)
    assert [row.id for row in dataset.rows_from(place)] == sorted(name for name in content if name >= place)


def test_a_diff_is_listed_page_by_page_and_by_kind(store: ArtifactStore) -> None:
    before = _dataset(store, {f"{n}": _example() for n in range(9)})
    after = _dataset(
        store, {f"{n}": _example("HARD" if n % 2 else "EASY", "test" if n > 6 else "train") for n in range(9)}
    )
    listed: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        found = compare(before, after, 2, behind=cursor)
        assert (found.changed, found.relabelled, found.moved) == (5, 4, 2)
        listed += [item.id for item in found.items]
        cursor = found.next_cursor
    assert listed == ["1", "3", "5", "7", "8"]
    assert [item.id for item in compare(before, after, change="label").items] == ["1", "3", "5", "7"]
    assert [item.id for item in compare(before, after, change="split").items] == ["7", "8"]
    assert not compare(before, after, change="added").items


def test_the_id_follows_from_what_the_dataset_holds(store: ArtifactStore) -> None:
    one = _dataset(store, {"a": _example()})
    assert one.id == _dataset(store, {"a": _example()}).id
    assert one.id.startswith("ds_")
    other_facts = [one.facts.model_copy(update=u) for u in ({"seed": 2}, {"test_share": 0.3}, {"surface": "binary"})]
    others = {Dataset(store=store, file=one.file, facts=facts).id for facts in other_facts}
    assert len(others | {one.id, _dataset(store, {"a": _example("HARD")}).id}) == 5


def test_what_is_no_dataset_is_refused(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(CorruptError, match="not a dataset"):
        open_dataset(store, store.put_folder("model", tmp_path, {}))
    with pytest.raises(NotFoundError):
        open_dataset(store, "0" * 64)
