"""Examples of images for the conformance suite."""

from typing import Any

from shared.gates import no_regression
from shared.pipeline import Comparison, Scores
from shared.pipelines.images.model_policy import model_policy
from tests.support.conformance import Case

BASELINE_RIGHT = 0.3  # share of the pictures on which the baseline scorer of these examples is right


def picture(**changed: Any) -> dict[str, Any]:
    return {"image": "img_" + "0" * 32, "artifact": "a" * 64, "bytes": 1200, "hour": 18} | changed


def _scores(right: int, rows: int) -> Scores:
    per_row = [1.0] * right + [0.0] * (rows - right)
    groups = [f"cam_{row:032x}" for row in range(rows)]
    base = [1.0] * int(rows * BASELINE_RIGHT) + [0.0] * (rows - int(rows * BASELINE_RIGHT))
    comparison = Comparison(
        window="all", candidate=Scores(per_row=per_row, metrics={}, groups=groups),
        active=Scores(per_row=base, metrics={}, groups=groups),
    )  # fmt: skip
    verdict = no_regression(comparison, model_policy().gate)
    metrics = {
        "rows": rows, "parity": {"rows": rows, "greatest_gap": 1e-6, "mean_gap": 1e-7},
        "baseline": {"verdict": verdict.model_dump(mode="json")},
    }  # fmt: skip
    return Scores(per_row=per_row, metrics=metrics, groups=groups)


CASE = Case(
    good_inputs=(picture(), picture(hour=None), picture(bytes=1)),
    bad_inputs=(
        "", 12, None, ["canary"], {"url": "canary"}, picture(image="canary"), picture(artifact="../canary"),
        picture(bytes=0), picture(hour=24), picture(path="canary"),
    ),
    reviews={"ratings": ("img", {"stars": 3}), "disagreements": ("img", {"stars": 3})},
    scores=_scores,
)  # fmt: skip
