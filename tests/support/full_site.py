"""A site with something on every page: a loop that was walked twice, and items that wait in every queue."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fastapi.routing import APIRoute
from psycopg import Connection

from api.review import site
from shared import ids
from shared.contracts import JobState
from shared.db import alerts, gold, predictions, stages
from shared.db.gold import Example
from shared.db.predictions import Prediction
from shared.db.stages import NewRow
from shared.pipelines.gold.contracts import example_id, parse_snapshot
from shared.pipelines.stages.contracts import StageInput, as_json, row_id
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.versions import STAGES, Stage
from shared.registry import pipelines
from tests.shared.pipelines.dedup.desk import Desk
from tests.shared.pipelines.stages.made import pack, values_of
from tests.support.browser import SiteProcess
from tests.support.school import School
from tests.support.waiting_items import put_answer, put_pictures, put_scores

PARTS: Final = frozenset(
    {"site.static", "site.flower-page", "site.review.items", "site.review.item", "site.model-drawing"}
)
"""Addresses of the site that are no whole pages, or not our own."""

_SNAPSHOT: Final[Mapping[str, Any]] = {
    "window": {"from": "2026-01-19", "to": "2026-02-15"},
    "signals": {
        "quotes": {"sent": {"count": 41, "value_band": "50k-100k"}, "approved": {"count": 9, "value_band": "5k-20k"}},
        "invoices": {"overdue": {"count": 7, "balance_band": "5k-20k", "over_30_days": 5, "over_60_days": 2}},
        "jobs": {"created": {"count": 22}, "late": {"count": 4}},
    },
}


def fill(process: SiteProcess) -> Mapping[str, str]:
    """Walk the student's loop with a real worker, and put items there; returns what stands for ``{…}`` in addresses."""
    school = School(process.database)
    school.label(100)
    worker = process.processes.worker("db", STUDENT_SKILL="60")
    first = _run(process, "freeze")["dataset_id"]
    _run(process, "train")
    _run(process, "promote")
    school.label(60, start=100, by="Bob")
    second = _run(process, "freeze")["dataset_id"]
    model = _run(process, "train")["model_id"]
    _run(process, "evaluate")
    worker.kill()
    with process.database.transaction() as conn:
        answer = _put_items(conn, model)
        job = conn.execute("SELECT id FROM jobs WHERE kind = 'student.evaluate'").fetchone()
    _put_pictures(process)
    desk = Desk(process.database)
    desk.cluster("Reports by mail suit the team.", "Reports on paper suit the team.", probability=0.5)
    assert job
    return {
        "dataset_id": second, "other_id": first, "model_id": model, "job_id": job[0], "thing_id": answer,
        "pipeline": "student", "surface": "default", "step": "train",
    }  # fmt: skip


def _run(process: SiteProcess, step: str) -> dict[str, str]:
    with process.server.client(timeout=60) as api:
        job = api.post(f"/v1/student/{step}", json={}, headers={"Prefer": "wait=60"}).json()
    assert job["state"] == JobState.SUCCEEDED, job
    result: dict[str, str] = job["result"]
    return result


def _put_items(conn: Connection, model: str) -> str:
    """Put a prediction, queries, a snapshot, rows and an alert there; returns the prediction's id."""
    for number in range(3):
        put_answer(conn, number, confidence=0.4 + number / 10)
    snapshot = parse_snapshot(dict(_SNAPSHOT))
    example = Example(
        id=example_id(snapshot), snapshot=snapshot.as_json(), group_key="g",
        window_from=snapshot.window.first, window_to=snapshot.window.last,
    )  # fmt: skip
    gold.put_examples(conn, [example], "made")
    one = pack(1)
    rows = [_row(stage, one.industry, one.business, values_of(one)[stage]) for stage in STAGES]
    stages.put_rows(conn, rows, "import")
    alerts.raise_once(conn, "model-broken", model, "the artifact of a model cannot be read", {})
    prediction = Prediction(
        id=ids.new_id(ids.PREDICTION), pipeline="student", surface="default", model_id=model, path="model",
        confidence=0.6, output={"answer": "EASY"}, created_at=datetime.now(UTC),
    )  # fmt: skip
    predictions.insert(conn, [prediction])
    return prediction.id


def _row(stage: Stage, industry: str, business: str, value: StageInput) -> NewRow:
    output = deterministic(value)
    return NewRow(
        id=row_id(stage, value, output), stage=stage, industry=industry, group_key=business, input=as_json(value),
        output=as_json(output),
    )  # fmt: skip


def _put_pictures(process: SiteProcess) -> None:
    frames = put_pictures(process.database, process.processes, webcams=2, frames=2)
    with process.database.transaction() as conn:
        put_scores(conn, [(frame.id, 0.3) for frame in frames])


def every_page(ids_of: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each page's name and address: all routes of the site that show something, and every queue."""
    for router in site.routers():
        for route in router.routes:
            if not isinstance(route, APIRoute) or "GET" not in (route.methods or ()) or route.name in PARTS:
                continue
            name = route.name.removeprefix("site.").replace(".", "-")
            if route.name == "site.review.queue":
                yield from _queues()
            else:
                yield name, re.sub(r"\{(\w+)\}", lambda match: ids_of[match[1]], route.path)


def _queues() -> Iterator[tuple[str, str]]:
    for pipeline in pipelines().values():
        for review in pipeline.reviews:
            yield f"review-{pipeline.name}-{review.kind}", f"/review/{pipeline.name}/{review.kind}"
