"""Gold's examples for the conformance suite."""

from shared.pipeline import Scores
from tests.support.conformance import Case

SNAPSHOT = {
    "window": {"from": "2026-06-01", "to": "2026-06-28"},
    "signals": {
        "quotes": {"sent": {"count": 42, "value_band": "50k-100k"}, "won_band": "25-50"},
        "invoices": {
            "overdue": {"count": 9, "balance_band": "20k-50k", "over_30_days": 5, "over_60_days": 1},
        },
        "jobs": {"closed": {"count": 7, "revenue_band": "5k-20k", "margin_band": "under-15"}},
    },
}
SMALL = {"window": {"from": "2026-06-01", "to": "2026-06-07"}, "signals": {"jobs": {"created": {"count": 3}}}}


def _scores(right: int, rows: int) -> Scores:
    return Scores(
        per_row=[1.0] * right + [0.0] * (rows - right),
        metrics={
            "gold_rows": rows,
            "agreement": right / rows,
            "judged_rows": rows,
            "offenders": rows - right,
            "offender_rate": (rows - right) / rows,
            "broken": {},
        },
    )


CASE = Case(
    good_inputs=(SNAPSHOT, SMALL),
    bad_inputs=(
        None,
        "canary",
        {},
        {**SMALL, "note": "canary"},
        {**SMALL, "signals": {"jobs": {"canary": {"count": 3}}}},
        {**SMALL, "signals": {"jobs": {"created": {"count": "canary"}}}},
        {**SMALL, "signals": {"jobs": {"created": {"count": 3.5}}}},
        {**SMALL, "window": {"from": "canary", "to": "2026-06-07"}},
        {**SMALL, "signals": {}},
    ),
    reviews={"conclusions": ("ex", {"decision": "Call one customer today.", "boundary": "Offer no discount."})},
    scores=_scores,
)
