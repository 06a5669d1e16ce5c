"""The optional groups, on small NLTK data made here: used where they are installed, demanded where they were used.

In processes of their own, for NLTK looks for its data once.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_SYNSETS: dict[str, list[tuple[str, list[str]]]] = {
    "noun": [("entity", []), ("animal", ["entity"]), ("dog", ["animal"])],
    "verb": [("run", [])],
    "adj": [("red", [])],
    "adv": [("well", [])],
}
_TYPES = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
_HEADER = "  1 This is a small dictionary in WordNet 3.0's form.\n"


def _write_wordnet(folder: Path) -> None:
    folder.mkdir(parents=True)
    lexnames = ["noun.Tops 1", "verb.motion 2", "adj.all 3", "adv.all 4"]
    (folder / "lexnames").write_text(
        "".join(f"{n:02d}\t{name.replace(' ', chr(9))}\n" for n, name in enumerate(lexnames))
    )
    for name in ("cntlist.rev", "index.sense"):
        (folder / name).write_text("")
    for part, words in _SYNSETS.items():
        (folder / f"{part}.exc").write_text("")
        data, index = _HEADER, _HEADER
        offsets: dict[str, int] = {}
        for word, parents in words:
            offsets[word] = len(data)
            pointers = "".join(f" @ {offsets[parent]:08d} {_TYPES[part]} 0000" for parent in parents)
            frames = " 01 + 01 00" if part == "verb" else ""
            data += (
                f"{offsets[word]:08d} 00 {_TYPES[part]} 01 {word} 0 {len(parents):03d}{pointers}{frames} | a {word}  \n"
            )
            index += f"{word} {_TYPES[part]} 1 {len(parents)}{' @' * len(parents)} 1 0 {offsets[word]:08d}  \n"
        (folder / f"data.{part}").write_text(data)
        (folder / f"index.{part}").write_text(index)


def _write_tagger(folder: Path, tags: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    parts = {"weights": {}, "tagdict": tags, "classes": sorted({*tags.values(), "NN"})}
    for name, value in parts.items():
        (folder / f"averaged_perceptron_tagger_eng.{name}.json").write_text(json.dumps(value))


@pytest.fixture
def nltk_data(tmp_path: Path) -> Path:
    folder = tmp_path / "nltk_data"
    _write_wordnet(folder / "corpora" / "wordnet")
    _write_tagger(
        folder / "taggers" / "averaged_perceptron_tagger_eng", {"the": "DT", "dog": "NN", "runs": "VBZ", "red": "JJ"}
    )
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    def run(program: str, data: Path | None, *arguments: Path) -> str:
        environment = {**os.environ, "NLTK_DATA": str(data or tmp_path / "none"), "HOME": str(tmp_path / "home")}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, *map(str, arguments)],
            env=environment, capture_output=True, text=True, check=False, timeout=100,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


_COUNTS = """
import json
import numpy as np
from shared.pipelines.router.features import installed_features
features = installed_features()
values = np.expm1(features.row("the red dog runs").values[: len(features.names)]).round(6).tolist()
seen = {n: v for n, v in zip(features.names, values) if v and n.startswith(("pos_", "wordnet_"))}
print(json.dumps([features.spec.groups, seen, features.spec.sha256]))
"""
_TRAIN = """
import sys
from pathlib import Path
from shared.pipelines.router import train as training
from tests.shared.pipelines.router.support import quiet, sample_rows
summary = training.train(sample_rows(200), Path(sys.argv[1]), quiet)
print(",".join(summary.parameters["features"]["groups"]))
"""
_LOAD = """
import sys
from pathlib import Path
from shared.errors import RefusedError
from shared.pipelines.router import PIPELINE
try:
    print(PIPELINE.load(Path(sys.argv[1])).predict(["Which dog runs?"])[0].output.difficulty)
except RefusedError as refused:
    print("refused:", refused.message)
"""


def test_installed_data_add_their_groups(run: Callable[..., str], nltk_data: Path) -> None:
    groups, seen, _ = json.loads(run(_COUNTS, nltk_data))
    assert groups == ["surface", "words", "chars", "pos", "wordnet"]
    assert seen["pos_vb"] == 1
    assert seen["pos_jj"] == 1
    assert seen["wordnet_one_meaning"] == 3  # red, dog, runs
    assert seen["wordnet_unknown"] == 1  # the


def test_without_data_the_base_groups_are_used(run: Callable[..., str]) -> None:
    groups, seen, _ = json.loads(run(_COUNTS, None))
    assert groups == ["surface", "words", "chars"]
    assert seen == {}


def test_other_data_are_other_features(run: Callable[..., str], nltk_data: Path) -> None:
    _, _, before = json.loads(run(_COUNTS, nltk_data))
    tagdict = nltk_data / "taggers/averaged_perceptron_tagger_eng/averaged_perceptron_tagger_eng.tagdict.json"
    tagdict.write_text(json.dumps({"dog": "VB"}))
    _, _, after = json.loads(run(_COUNTS, nltk_data))
    assert before != after


@pytest.mark.slow(20)
def test_a_model_is_served_only_where_its_groups_can_be_computed(
    run: Callable[..., str], nltk_data: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    assert run(_TRAIN, nltk_data, model) == "surface,words,chars,pos,wordnet"
    assert run(_LOAD, nltk_data, model) in {"EASY", "MEDIUM", "HARD", "UNCERTAIN"}
    assert run(_LOAD, None, model).startswith("refused: the NLTK data for the features group pos are not installed")
