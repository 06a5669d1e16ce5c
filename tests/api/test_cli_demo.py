"""The demo's table, and what it says when it fails. ``make demo`` itself is run by ``.ci/run``, after the tests."""

import io
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from api.demo.asking import Answered
from api.demo.router import Findings, Round
from api.demo.router_report import router_table
from api.demo.samples import make_samples
from shared.contracts import JsonObject
from tests.support.processes import ROOT

_SCORES = {"accuracy": 0.8, "macro_f1": 0.75}


def _round(*, promoted: bool, active: JsonObject | None, sentence: str) -> Round:
    window = {"rows": 120, "candidate": _SCORES, "active": active}
    empty = {"rows": 0, "candidate": {}, "active": None}
    verdict = {"gate": "no_regression", "window": "recent", "outcome": "pass" if promoted else "fail"}
    return Round(
        result={"promoted": promoted, "sentence": sentence, "verdicts": [{**verdict, "sentence": sentence}]},
        ended_at=datetime.now(UTC),
        dataset={"row_count": 600, "split_counts": {"train": 480, "test": 120}},
        model={"version": "v20260101_120000", "metrics": {"all": window, "recent": empty}},
    )


def test_the_table_shows_a_refusal_as_plainly_as_a_promotion() -> None:
    answer = {"path": "model", "queryId": "pred_1"}
    found = Findings(
        rounds=[
            _round(promoted=True, active=None, sentence="No model is active."),
            _round(promoted=False, active={"accuracy": 0.9, "macro_f1": 0.9}, sentence="It is worse by 0.1."),
        ],
        active={"version": "v20260101_120000"},
        reached_after=timedelta(seconds=1),
        answered=Answered(answers=[answer, answer, {**answer, "path": "fallback"}], milliseconds=[1.0, 2.0, 30.0]),
        feedbacks=1,
        lineage={},
    )
    screen = io.StringIO()
    Console(file=screen, width=300).print(router_table(found))
    shown = screen.getvalue()
    for expected in (
        "600 (train 480, test 120)",
        "candidate 0.8, no active model (120 rows)",
        "candidate 0.8, active 0.9 (120 rows)",
        "no_regression, last 30 days: fail: It is worse by 0.1.",
        "v20260101_120000 promoted",
        "v20260101_120000 not promoted: It is worse by 0.1.",
        "3 (2 by model, 1 by fallback)",
        "p50 2.0 ms, p99 29.4 ms",
    ):
        assert expected in shown


def test_the_samples_are_the_same_each_time_but_for_their_times() -> None:
    first, again = make_samples(), make_samples()
    assert [row.query for row in first.older + first.newer] == [row.query for row in again.older + again.newer]
    assert len(first.newer) > 400
    assert not {row.query for row in first.asked} <= {row.query for row in first.older}


def test_a_failed_step_is_named_with_its_reason(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = subprocess.run(
        [sys.executable, "-m", "api.demo"],
        env=environment | {"TUNEYARD_HOME": str(tmp_path / "file")},
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the demo failed at “Start the stack" in done.stderr
    assert f"cannot keep the stack's data in {tmp_path / 'file'}" in done.stderr
    assert "TUNEYARD_HOME" in done.stderr
