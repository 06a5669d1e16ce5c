"""Scores: who gives them, what happens when nobody can, and where they and people are apart."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.answering import Standing
from shared.files import ResultFiles, uploads_of
from shared.pipelines.images import PIPELINE, scorer
from shared.pipelines.images.contracts import ImageInput
from shared.pipelines.images.scorer import Source, score_pictures, source_of, standing_of
from shared.pipelines.images.serving import REFUSED, serve
from shared.registered import registered
from shared.settings import get_settings
from tests.shared.pipelines.images import hostile
from tests.shared.pipelines.images.gallery import hang, trained
from tests.shared.pipelines.images.studio import Studio

NOBODY = Standing(surface="binary", model=None, model_id=None, version=None, expected=False)


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    scorer.forget()
    yield
    scorer.forget()


def _pictures(studio: Studio, limit: int = 5) -> list[ImageInput]:
    rows = studio.rows("SELECT id, artifact, bytes FROM images ORDER BY id LIMIT %s", limit)
    return [ImageInput(image=image, artifact=artifact, bytes=size) for image, artifact, size in rows]


def _say(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()


def _upload(studio: Studio, data: bytes) -> ImageInput:
    file = uploads_of(studio.store).put(data)
    return ImageInput(artifact=file.sha256, bytes=file.size, uploaded=True)


def test_without_a_model_the_baseline_scores(studio: Studio) -> None:
    hang(studio, webcams=3, each=2)
    answers = serve(NOBODY, _pictures(studio))
    assert [answer.output["path"] for answer in answers] == ["baseline"] * 5
    assert {answer.output["modelVersion"] for answer in answers} == {"baseline-v1"}
    assert answers == serve(NOBODY, _pictures(studio))
    assert all(answer.output["aiRating"] == 1 + 4 * answer.output["rawScore"] for answer in answers)


def test_a_bad_picture_gets_its_fault_and_its_neighbours_their_score(studio: Studio) -> None:
    hang(studio, webcams=3, each=2)
    good, bad = _pictures(studio, 1)[0], _upload(studio, hostile.truncated())
    gone = good.model_copy(update={"artifact": "0" * 64})
    one, two, three, four = serve(NOBODY, [bad, good, gone, _upload(studio, hostile.jpeg())])
    assert one.output[REFUSED]["code"] == "truncated"
    assert three.output[REFUSED]["code"] == "not-found"
    assert two.output["path"] == four.output["path"] == "baseline"


def test_a_model_that_cannot_load_costs_an_alert_and_no_answer(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hang(studio, webcams=3, each=2)
    (tmp_path / "model.onnx").write_bytes(b"no model")
    for path in (tmp_path / "model.onnx", tmp_path / "missing.onnx"):
        _say(monkeypatch, AI_ONNX_MODEL_PATH=str(path), AI_MODEL_VERSION="mine")
        (answer,) = serve(NOBODY, _pictures(studio, 1))
        assert (answer.output["path"], answer.output["modelVersion"]) == ("baseline-fallback", "baseline-v1")
    assert studio.rows("SELECT count(*) FROM alerts WHERE kind = 'image-model-unreadable'") == [(2,)]
    _say(monkeypatch, AI_ONNX_MODEL_PATH="", AI_MODEL_VERSION="v20200101_000000")
    assert serve(NOBODY, _pictures(studio, 1))[0].output["path"] == "baseline-fallback"
    _say(monkeypatch, AI_MODEL_VERSION="", AI_SCORING_MODE="onnx")
    for _ in range(2):
        assert serve(NOBODY, _pictures(studio, 1))[0].output["path"] == "baseline-fallback"
    assert studio.rows("SELECT message FROM alerts WHERE subject = 'none:binary'") == [
        ("AI_SCORING_MODE is onnx, and no model of binary is active; the baseline scores in its place",)
    ]


class _Broken:
    """Stands where a runtime breaks: it is told to, as no file makes onnxruntime do so at will."""


def test_models_score_and_say_who_they_are(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """One training for all of this: it takes seconds."""
    hang(studio)
    made = trained(studio, "binary", epochs=3)
    model_id, version = made["model_id"], made["version"]
    with studio.database.transaction() as conn:
        conn.execute("UPDATE models SET state = 'active' WHERE id = %s", [model_id])
    pictures = _pictures(studio, 20)

    # the registry's active model, then from memory
    standing = standing_of("binary")
    assert (standing.model_id, standing.version) == (model_id, version)
    first, again = (serve(standing, pictures) for _ in range(2))
    assert {answer.output["path"] for answer in first} == {"onnx"}
    assert {answer.output["path"] for answer in again} == {"cache"}
    assert [a.output["rawScore"] for a in first] == [a.output["rawScore"] for a in again]
    assert {a.output["modelVersion"] for a in (*first, *again)} == {version}
    assert {a.model_id for a in (*first, *again)} == {model_id}

    # what a deployment says
    _say(monkeypatch, AI_SCORING_MODE="baseline")
    assert serve(standing, pictures)[0].output["path"] == "baseline"
    _say(monkeypatch, AI_SCORING_MODE="", AI_MODEL_VERSION=version)
    assert source_of(NOBODY).version == version
    found = registered("images", "binary", version)
    assert found is not None
    _say(monkeypatch, AI_MODEL_VERSION="sunset-3", AI_ONNX_MODEL_PATH=os.path.relpath(found.folder / "model.onnx"))
    assert source_of(NOBODY).version == "sunset-3"
    assert source_of(Standing(**vars(NOBODY) | {"surface": "regression"})).path == "baseline"
    _say(monkeypatch, AI_MODEL_VERSION="", AI_ONNX_MODEL_PATH="")

    # an upload gets the very score that the same picture has as an image
    data = hostile.with_exif(orientation=6)
    studio.bring({"Pier/x.jpg": data})
    ((image, artifact, size),) = studio.rows("SELECT id, artifact, bytes FROM images ORDER BY created_at DESC LIMIT 1")
    imported = ImageInput(image=image, artifact=artifact, bytes=size)
    one, two = serve(standing, [imported, _upload(studio, data)])
    assert one.output["rawScore"] == two.output["rawScore"]

    # many at once, once each, by the version that truly scores
    result = studio.run("score")
    assert (result["model_version"], result["model_id"], result["unreadable"]) == (version, model_id, 0)
    assert result["scored"] == 121
    assert studio.run("score")["scored"] == 0
    assert studio.run("score", again=True, image=[image])["scored"] == 1

    # where it and people are apart
    report = studio.run("report-disagreements", model_version=version, limit=7)
    assert (report["compared"], report["listed"]) == (120, 7)
    files = ResultFiles.model_validate(report["files"])
    assert {name.rpartition("/")[2] for name in files.sizes} == {"disagreement_report.json", "disagreement_report.html"}
    contents = {}
    for name in files.sizes:
        with studio.store.open(studio.store.manifest(files.manifest).files[name]) as file:
            contents[name.rpartition(".")[2]] = file.read().decode()
    rows = json.loads(contents["json"])["disagreements"]
    assert [row["severity"] for row in rows] == sorted((row["severity"] for row in rows), reverse=True)
    assert all(abs(row["torch_gap"]) < 1e-4 for row in rows)
    assert all(row["gap"] == pytest.approx(row["aiRating"] - row["people"]) for row in rows)
    assert contents["html"].count("data:image/jpeg;base64,") == 7
    with studio.database.reading() as conn:
        waiting = [item.id for item in PIPELINE.reviews[0].waiting(conn, "someone", 3)]
    assert waiting[0] in {row["image"] for row in rows[:3]}

    # a runtime that breaks while it scores
    model = standing.model
    assert model is not None
    monkeypatch.setattr(model, "_session", _Broken())
    broken = score_pictures(Source(model=model, version=version), [_upload(studio, hostile.jpeg(seed=77))])  # type: ignore[arg-type]
    assert broken[0].score is not None
    assert broken[0].score.path == "baseline-fallback"
    assert broken[0].score.model_version == "baseline-v1"


def test_scoring_without_a_model_stores_the_baselines_scores(studio: Studio) -> None:
    assert "no images" in studio.refusal("score")["message"]
    hang(studio, webcams=3, each=2)
    assert studio.run("score", target_type="regression")["paths"] == {"baseline": 6}
    assert "has scored no image" in studio.refusal("report-disagreements", model_version="v1")["message"]
    assert studio.run("report-disagreements", model_version="baseline-v1", limit=2)["listed"] == 2


def test_a_surface_is_due_once_enough_is_newly_rated(studio: Studio) -> None:
    hang(studio)
    found = studio.run("due", new_images=100)
    assert found["new"] == {"binary": 120, "regression": 120}
    assert found["due"] == ["binary", "regression"]
    studio.run("freeze", surface="binary")
    assert studio.run("due", new_images=100)["due"] == ["regression"]
    assert studio.run("retrain-due", new_images=1_000)["promoted"] == []
