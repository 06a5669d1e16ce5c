"""The seed's commands from the command line, one after another: a folder of pictures in, a model and reports out."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.contracts import JsonObject
from shared.pipelines.images.sample import make
from shared.stack.process import ChildProcess
from tests.api.conftest import Front
from tests.support.command_line import CommandLine

EPOCHS = "2"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def cli(front: Front, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(front.url, front.key(), monkeypatch, capsys)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands run: a folder with pictures by webcam, and what people said of them."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with (folder / "ratings.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "rater", "stars", "kind"))
        for frame in make(webcams=12, frames=4, seed=5, now=NOW):
            path = folder / "frames" / frame.webcam / f"{frame.id}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(frame.data)
            writer.writerows((frame.id, said.rater, said.stars, said.kind) for said in frame.opinions)
    (folder / "frames" / "notes.txt").write_text("no picture")
    return folder


@pytest.mark.slow(30)
@pytest.mark.timeout(300)
def test_the_seeds_commands(cli: CommandLine, place: Path, workers: Callable[..., list[ChildProcess]]) -> None:
    workers("db", "gpu")

    def result(*arguments: str) -> JsonObject:
        found: JsonObject = cli("images", *arguments, "--json").json["result"]
        return found

    brought = result("import", "--images", "frames")
    assert (brought["new"], brought["reasons"]) == (48, {"no-webcam": 1})
    assert (place / "images" / "imported.csv").is_file()
    assert result("import-ratings", "--file", "ratings.csv")["new"] > 48

    made = result(
        "export-dataset", "--label-source", "manual_only", "--target-type", "binary", "--seed", "20260212",
        "--min-rating-count", "1",
    )  # fmt: skip
    manifests = place / made["folder"]
    assert {path.name for path in manifests.iterdir()} == {f"manifest_{each}.csv" for each in ("full", *made["splits"])}

    same = ("--target-type", "binary", "--model-name", "small")
    result(
        "train", "--train-manifest", str(manifests / "manifest_train.csv"),
        "--val-manifest", str(manifests / "manifest_val.csv"), *same, "--epochs", EPOCHS,
    )  # fmt: skip
    models = place / "ml" / "artifacts" / "models"
    assert json.loads((models / "train_summary.json").read_text())["model_name"] == "small"

    result(
        "evaluate", "--test-manifest", str(manifests / "manifest_test.csv"),
        "--checkpoint", str(models / "best.pt"), *same,
    )  # fmt: skip
    reports = place / "ml" / "artifacts" / "reports"
    assert json.loads((reports / "eval_report.json").read_text())["candidate"]["rows"] > 0

    onnx = str(Path("ml/artifacts/models/model.onnx"))
    result("export-onnx", "--checkpoint", str(models / "best.pt"), *same, "--output", onnx)
    assert (models / "model.meta.json").is_file()

    version = result("score")["model_version"]
    result("report-disagreements", "--model-version", version, "--limit", "200")
    assert json.loads((reports / "disagreement_report.json").read_text())["model_version"] == version
