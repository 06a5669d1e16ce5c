"""The stages' examples for the conformance suite."""

from shared.pipeline import Scores
from shared.pipelines.stages.contracts import as_json
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.sample import run_through
from shared.pipelines.stages.sample_business import businesses
from tests.support.conformance import Case

(BUSINESS,) = businesses(1, seed=7)
INPUTS = tuple(as_json(row.input) for row in run_through(BUSINESS, deterministic))
"""One input of each stage."""
QUANT = INPUTS[0]


def _scores(right: int, rows: int) -> Scores:
    share = right / rows
    return Scores(
        per_row=[1.0] * right + [0.0] * (rows - right),
        metrics={
            "rows": rows, "agreement": share, "schema_validity": share, "grounding": share, "forbidden_share": 0.0,
            "homogeneity": 0.1, "p50_seconds": 1.0, "p95_seconds": 2.0, "cost_usd": 0.001, "broken": {},
        },
    )  # fmt: skip


CASE = Case(
    good_inputs=INPUTS,
    bad_inputs=(
        None,
        "canary",
        {},
        {**QUANT, "schema_version": "canary"},
        {**QUANT, "schema_version": "stage_input_blue_ocean_v1"},
        {**QUANT, "canary": 1},
        {**QUANT, "company": {**QUANT["company"], "size": "canary"}},
        {**QUANT, "months": "canary"},
        {**QUANT, "months": 0},
    ),
    reviews={"rows": ("ex", {"decision": "approve"})},
    scores=_scores,
)
