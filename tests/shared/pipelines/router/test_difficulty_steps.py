"""On real data: prompts labelled by the length of people's own solutions. Skipped where the data are not at hand."""

import csv
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from shared.pipeline import Row
from shared.pipelines.router import PIPELINE
from shared.pipelines.router.contracts import parse_label
from tests.shared.pipelines.router.support import row, train
from tests.support.shared_data import shared_data

# accuracy and macro F1 of the baselines in the data's README, each the best of its column
BASELINE_ACCURACY: Final = 0.553
BASELINE_MACRO_F1: Final = 0.48


def _data() -> Path:
    return shared_data("difficulty-steps", "steps.csv.gz")


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    if not _data().exists():
        pytest.skip("the data set difficulty-steps is not here (set TUNEYARD_SHARED_DATA to its parent folder)")
    with gzip.open(_data(), "rt", encoding="utf-8", newline="") as file:
        read = [row(line["prompt"], parse_label(line["label"]), split=line["split"]) for line in csv.DictReader(file)]
    return sorted(read, key=lambda r: r.id)


@pytest.mark.slow(12)
def test_it_beats_every_baseline(
    rows: list[Row], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    model = train((r for r in rows if r.split == "train"), tmp_path)
    metrics = PIPELINE.score(model, (r for r in rows if r.split == "test")).metrics
    for name in ("accuracy", "macro_f1", "calibration_error", "coverage", "covered_accuracy"):
        record_property(name, metrics[name])
    assert metrics["rows"] == 1319
    assert metrics["accuracy"] > BASELINE_ACCURACY + 0.03
    assert metrics["macro_f1"] > BASELINE_MACRO_F1 + 0.05
    assert metrics["calibration_error"] < 0.08
    assert metrics["covered_accuracy"] > metrics["accuracy"]
