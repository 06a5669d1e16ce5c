"""Images through the loop on computed skies: freeze, train, evaluate, promote; real steps on a real ledger."""

import json

import pytest

from shared.contracts import Outcome
from shared.files import ResultFiles
from shared.models import read_card
from tests.shared.pipelines.images.gallery import hang, trained
from tests.shared.pipelines.images.studio import Studio

MODEL_FILES = {"best.pt", "train_summary.json", "loss.svg", "metric.svg", "model.onnx", "model.meta.json"}
REPORT_FILES = {"eval_report.json", "eval_report.html", "per_webcam.svg", "per_hour.svg"}


def read(studio: Studio, result: object, name: str) -> bytes:
    files = ResultFiles.model_validate(result)
    (path,) = [each for each in files.sizes if each.endswith(f"/{name}")]
    with studio.store.open(studio.store.manifest(files.manifest).files[path]) as file:
        return file.read()


def names(result: object, place: str) -> set[str]:
    files = ResultFiles.model_validate(result)
    assert files.folder == "ml"
    return {each.removeprefix(f"artifacts/{place}/") for each in files.sizes}


@pytest.mark.parametrize("surface", ["binary", "regression"])
def test_images_go_round_the_loop(studio: Studio, surface: str) -> None:
    hang(studio)
    made = trained(studio, surface, epochs=8 if surface == "binary" else 2)
    assert names(made["files"], "models") == MODEL_FILES
    summary = json.loads(read(studio, made["files"], "train_summary.json"))
    assert summary["model_name"] == "small"
    assert summary["weights"] == "none"
    assert len(summary["history"]) == summary["epochs_run"]
    found = studio.run("evaluate", surface=surface)
    assert names(found["files"], "reports") >= REPORT_FILES
    report = json.loads(read(studio, found["files"], "eval_report.json"))
    mine = report["candidate"]
    figures = {"accuracy", "auc", "f1", "calibration"} if surface == "binary" else {"mae", "rmse", "spearman", "r2"}
    assert figures <= mine.keys()
    assert mine["rows"] == sum(each["rows"] for each in mine["per_webcam"])
    assert mine["per_hour"]
    assert mine["worst"]
    main = "accuracy" if surface == "binary" else "mae"
    low, high = mine["intervals"][main]
    assert low <= mine[main] <= high
    assert mine["baseline"][main] is not None
    verdicts = {each["gate"]: each for each in found["verdicts"]}
    assert verdicts["parity"]["outcome"] == Outcome.PASS
    assert verdicts["parity"]["figures"]["rows"] == mine["rows"]
    page = read(studio, found["files"], "eval_report.html").decode()
    assert page.count("data:image/jpeg;base64,") == len(mine["worst"])
    assert "img-src data:" in page
    if surface == "binary":
        promoted = studio.run("promote", surface=surface)
        assert promoted["promoted"], promoted["sentence"]
        again = studio.run("train", surface=surface, epochs=8)
        assert again["manifest"] == made["manifest"], "the same pictures give the same bytes"
        second = studio.run("evaluate", surface=surface)
        assert second["metrics"]["all"]["active"]["rows"] == mine["rows"]
        assert "parity" in read_card(studio.store, studio.model(made["model_id"]))


def test_a_surface_must_be_named_and_may_be_by_the_seeds_word(studio: Studio) -> None:
    hang(studio)
    assert studio.run("freeze", target_type="regression")["rows"] == 120
