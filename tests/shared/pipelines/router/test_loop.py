"""The router through the whole loop on its sample data, real steps on a real ledger."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.db import ml_data
from shared.db.ml_data import NewLabel
from shared.models import read_card
from shared.pipelines.router import sample
from shared.pipelines.router.contracts import example_id, group_of
from shared.pipelines.router.sample import SampleRow
from tests.support.school import School


@pytest.fixture
def router(school: School) -> School:
    return replace(school, pipeline="router")


def _label(school: School, rows: Iterable[SampleRow]) -> None:
    with school.database.transaction() as conn:
        for row in rows:
            label = NewLabel(
                id=example_id(row.query, row.label), query=row.query, group_key=group_of(row.query), label=row.label,
                source="import", query_id=None, labelled_by=row.labelled_by, labelled_at=row.labelled_at,
            )  # fmt: skip
            ml_data.put_label(conn, label)


def test_router_goes_round_the_loop(router: School) -> None:
    rows = list(sample.make(rows=800, seed=1, now=datetime.now(UTC)))
    later = rows[::4]
    _label(router, (row for row in rows if row not in later))
    first = router.run("retrain")
    assert first["promoted"], first["sentence"]
    for window in ("all", "recent"):
        figures = first["metrics"][window]["candidate"]
        assert {"accuracy", "macro_f1", "per_class", "confusion", "calibration_error", "coverage"} <= figures.keys()
        assert figures["accuracy"] > 0.6
    with router.database.reading() as conn:
        seed_columns = "SELECT version, accuracy, f1_score, is_active, training_timestamp FROM model_metadata"
        (row,) = conn.execute(seed_columns).fetchall()
    everything = first["metrics"]["all"]["candidate"]
    assert row[:4] == (first["version"], everything["accuracy"], everything["macro_f1"], True)
    again = router.run("train", dataset_id=first["dataset_id"])
    assert again["manifest"] == router.model(first["model_id"]).manifest
    _label(router, later)
    second = router.run("retrain")
    assert second["active_id"] == first["model_id"]
    assert [v["window"] for v in second["verdicts"]] == ["all", "recent"]
    assert "| all | accuracy | " in read_card(router.store, router.model(second["model_id"]))
    assert router.active() == (second["model_id"] if second["promoted"] else first["model_id"])
    if second["promoted"]:
        assert router.run("rollback", reason="a test")["promoted"]
        assert router.active() == first["model_id"]


def test_router_needs_fifty_samples(router: School) -> None:
    _label(router, sample.make(rows=37, seed=1, now=datetime.now(UTC)))
    error = router.refusal("retrain")
    assert error["code"] == "refused"
    assert error["message"] == "insufficient training data: 37 of 50"
