"""The seed's commands as steps: manifests and checkpoints go in, files come out, and nothing is taken on trust."""

import io
import json
import sys
import zipfile
from typing import Any

import pytest
import torch

from shared.contracts import JsonObject
from shared.files import ResultFiles
from tests.shared.pipelines.images.gallery import hang
from tests.shared.pipelines.images.studio import Studio, table

EPOCHS = 2


class Hostile:
    """Runs code when it is unpickled the careless way."""

    ran: list[str] = []  # noqa: RUF012  (what it has done must outlive it)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return (self.ran.append, ("code ran",))


def file_of(studio: Studio, result: JsonObject, name: str) -> bytes:
    files = ResultFiles.model_validate(result["files"])
    (path,) = [each for each in files.sizes if each.endswith(f"/{name}")]
    with studio.store.open(studio.store.manifest(files.manifest).files[path]) as file:
        return file.read()


def exported(studio: Studio) -> dict[str, str]:
    """Export manifests of rated skies; return their uploads by split."""
    hang(studio)
    made = studio.run("export-dataset", target_type="binary", seed=20260212, min_rating_count=1)
    return {split: studio.upload(file_of(studio, made, f"manifest_{split}.csv")) for split in ("train", "val", "test")}


def test_the_seeds_commands_train_evaluate_and_export(studio: Studio) -> None:
    manifests = exported(studio)
    made = studio.run(
        "train", train_manifest=manifests["train"], val_manifest=manifests["val"], target_type="binary",
        model_name="small", epochs=EPOCHS,
    )  # fmt: skip
    assert "promoted" in made["sentence"]
    assert not studio.rows("SELECT FROM models"), "what no frozen dataset stands behind is no candidate"
    best = studio.upload(file_of(studio, made, "best.pt"))
    found = studio.run(
        "evaluate", test_manifest=manifests["test"], checkpoint=best, target_type="binary", model_name="small"
    )
    report = json.loads(file_of(studio, found, "eval_report.json"))
    assert report["candidate"]["rows"] == found["rows"]
    assert {verdict["gate"] for verdict in found["verdicts"]} == {"baseline", "no_regression"}
    known = studio.refusal("evaluate", test_manifest=manifests["train"], checkpoint=best, target_type="binary")
    assert "not of the split test" in known["message"]
    out = studio.run(
        "export-onnx", checkpoint=best, target_type="binary", model_name="small",
        output="ml/artifacts/models/model.onnx", test_manifest=manifests["test"],
    )  # fmt: skip
    assert set(out["files"]["sizes"]) == {"ml/artifacts/models/model.onnx", "ml/artifacts/models/model.meta.json"}
    assert out["compared"] == found["rows"]
    assert out["greatest_gap"] <= out["tolerance"]
    assert file_of(studio, out, "model.onnx") == file_of(studio, made, "model.onnx")
    # the very same from weights of a file: they are known already
    again = studio.run(
        "train", train_manifest=manifests["train"], val_manifest=manifests["val"], target_type="binary",
        model_name="small", weights=best, epochs=1,
    )  # fmt: skip
    assert again["parameters"]["weights"] == best
    assert again["parameters"]["schedule"]["head_epochs"] > 0


def test_manifests_that_would_give_answers_away_are_refused(studio: Studio) -> None:
    manifests = exported(studio)
    ask: dict[str, Any] = {"target_type": "binary", "epochs": 1}
    test, train, val = manifests["test"], manifests["train"], manifests["val"]
    refused = studio.refusal("train", train_manifest=train, val_manifest=test, **ask)
    assert "never trained on" in refused["message"]
    assert "in both" in studio.refusal("train", train_manifest=train, val_manifest=train, **ask)["message"]
    assert "missing" in studio.refusal("train", train_manifest=train, **ask)["message"]
    wrong = studio.refusal("train", train_manifest=train, val_manifest=val, target_type="regression")
    assert "target type binary" in wrong["message"]
    assert "missing" in studio.refusal("evaluate", test_manifest=test, target_type="binary")["message"]


def test_weights_that_are_not_on_the_disk_are_not_downloaded(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", "/nowhere")
    manifests = exported(studio)
    refused = studio.refusal(
        "train", train_manifest=manifests["train"], val_manifest=manifests["val"], target_type="binary",
        model_name="resnet18", weights="imagenet",
    )  # fmt: skip
    assert refused["code"] == "refused"
    assert "nothing is downloaded" in refused["message"]
    assert "resnet18-f37072fd.pth" in refused["advice"]


@pytest.mark.parametrize("kind", ["pickle", "torch", "zip", "noise", "empty", "other"])
def test_a_checkpoint_that_is_none_is_refused_and_none_of_its_code_runs(studio: Studio, kind: str) -> None:
    Hostile.ran.clear()
    checkpoint = studio.upload(hostile(kind))
    refused = studio.refusal("export-onnx", checkpoint=checkpoint)
    assert refused["code"] in {"refused", "corrupt"}
    assert refused["advice"]
    if kind in {"pickle", "torch"}:
        assert "more than weights" in refused["message"]
    row = {
        "image": "img_" + "0" * 32, "artifact": "a" * 64, "bytes": 1, "webcam": "cam_" + "0" * 32, "captured_at": "",
        "hour": "", "ratings": 1, "stars": 1.0, "rated_at": "2026-01-01T00:00:00Z", "target_type": "binary",
        "target": 0.0, "split": "test",
    }  # fmt: skip
    manifest = studio.upload(table([row]))
    evaluated = studio.refusal("evaluate", checkpoint=checkpoint, test_manifest=manifest, target_type="binary")
    assert evaluated["message"] == refused["message"]
    assert Hostile.ran == []


def hostile(kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "pickle":  # as plain pickle writes it
        sys.modules["pickle"].dump({"weights": Hostile()}, out)
    elif kind == "torch":
        torch.save({"facts": "{}", "weights": Hostile()}, out)
    elif kind == "zip":
        with zipfile.ZipFile(out, "w") as pack:
            pack.writestr("data.pkl", b"\x80\x02N.")
    elif kind == "other":
        torch.save({"facts": "{}", "weights": {"a": torch.zeros(1)}}, out)
    elif kind == "noise":
        out.write(bytes(range(256)) * 8)
    return out.getvalue()
