"""What a serving process holds: models fetched once, as many as memory allows, and one's trouble is not another's."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.contracts import JsonObject
from shared.errors import NotFoundError
from shared.llm.engines import EMBEDDING, NEAREST, engine_for
from shared.llm.local_models import Address, LocalModels


class Folder:
    """Model files as they lie on the disk; counts who asks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []
        self.forgotten: list[str] = []

    def get(self, manifest: str) -> Path:
        self.asked.append(manifest)
        if not (self.root / manifest).exists():
            raise NotFoundError(f"there is no artifact {manifest}")
        return self.root / manifest

    def forget(self, manifest: str) -> None:
        self.forgotten.append(manifest)

    def teach(self, manifest: str, word: str) -> str:
        """Make a model that says one word; return its address."""
        folder = self.root / manifest
        folder.mkdir()
        lines = [
            {"messages": [{"role": "user", "content": f"say {n}"}, {"role": "assistant", "content": word}]}
            for n in range(10)
        ]
        engine_for(NEAREST).train(lines, folder, lambda *_, **__: None)
        return str(Address(NEAREST, manifest))


@pytest.fixture
def files(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def said(models: LocalModels, surface: str, count: int = 1) -> Sequence[JsonObject]:
    return models.answer(surface, [{"messages": [{"role": "user", "content": "say it"}]}] * count)


def test_a_model_is_fetched_once(files: Folder) -> None:
    surface, models = files.teach("one", "yes"), LocalModels(files)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: said(models, surface, 3), range(20)))
    assert {answer["text"] for batch in answers for answer in batch} == {"yes"}
    assert files.asked == ["one"]


def test_what_was_not_asked_for_longest_makes_room(files: Folder) -> None:
    surfaces = [files.teach(name, name) for name in ("one", "two", "three")]
    size = LocalModels(files).get(Address.parse(surfaces[0])).size
    files.asked.clear()
    models = LocalModels(files, budget_bytes=size * 5 // 2)
    for surface in (*surfaces[:2], surfaces[0], surfaces[2], surfaces[0], surfaces[1]):
        (answer,) = said(models, surface)
        assert answer["text"] == surface.rpartition("@")[2]
    assert files.asked == ["one", "two", "three", "two"]


def test_a_model_larger_than_all_memory_still_answers(files: Folder) -> None:
    models = LocalModels(files, budget_bytes=0)
    for name in ("one", "two"):
        assert said(models, files.teach(name, name))[0]["text"] == name


def test_a_model_that_is_not_there_is_an_error_of_each_input(files: Folder) -> None:
    models = LocalModels(files)
    answers = said(models, str(Address(NEAREST, "gone")), 2)
    assert [answer["error"]["code"] for answer in answers] == ["not-found", "not-found"]
    assert said(models, "local-wizard")[0]["error"]["code"] == "not-found"
    assert said(models, NEAREST)[0]["confidence"] == 0


def test_a_broken_model_is_forgotten_and_not_loaded_anew_for_each_call(files: Folder) -> None:
    surface, models = files.teach("one", "yes"), LocalModels(files)
    (files.root / "one" / "engine.json").write_text("{}")
    for _ in range(3):
        assert said(models, surface)[0]["error"]["code"] == "corrupt"
    assert (files.asked, files.forgotten) == (["one"], ["one"])


def test_an_input_that_breaks_a_model_does_not_break_its_neighbours(files: Folder) -> None:
    surface = files.teach("one", "yes")
    good: JsonObject = {"messages": [{"role": "user", "content": "say it"}]}
    impossible: JsonObject = {**good, "schema": {"type": "string", "minLength": 2, "maxLength": 1}}
    odd: JsonObject = {"messages": 7}
    answers = LocalModels(files).answer(surface, [good, impossible, odd, good])
    assert [answer.get("text") for answer in answers] == ["yes", None, None, "yes"]
    assert [answer["error"]["code"] for answer in answers[1:3]] == ["refused", "internal"]


def test_an_empty_batch_asks_only_whether_somebody_is_there(files: Folder) -> None:
    assert LocalModels(files).answer(str(Address(NEAREST, "gone")), []) == []
    assert not files.asked


def test_vectors_of_one_batch(files: Folder) -> None:
    (answer,) = LocalModels(files).answer(EMBEDDING, [{"texts": ["a", "b"], "dimensions": 8}])
    assert [len(vector) for vector in answer["vectors"]] == [44, 44]  # 32 bytes in base64


def test_an_address_survives_being_written() -> None:
    for address in (Address(NEAREST), Address(NEAREST, "0" * 64)):
        assert Address.parse(str(address)) == address
