"""Lineage in a real browser, of a loop that a real worker walked: a drawing whose boxes lead on, and lists."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import pytest
from playwright.sync_api import expect

from shared import ids
from shared.contracts import JobState
from shared.db import predictions
from shared.db.predictions import Prediction
from tests.support.browser import Site, SiteProcess, accessible, on_a_phone
from tests.support.school import STUDENT, School

ANSWERS: Final = 30
# The student learns from the router's table; a pipeline says where its examples come from in this view.
OURS: Final = """
CREATE OR REPLACE VIEW example_origins AS
    SELECT id, 'student'::text AS pipeline, label, source, labelled_by, labelled_at, query_id AS prediction_id
    FROM ml_data
"""


@pytest.fixture(scope="module")
def site_env() -> Mapping[str, str]:
    """The front and its worker know the student."""
    return {"TUNEYARD_PIPELINES": STUDENT}


@pytest.fixture(scope="module")
def walked(site_process: SiteProcess) -> Mapping[str, str]:
    """A model that was trained, promoted, and has answered thirty times."""
    School(site_process.database).label(60, by="Ada")
    worker = site_process.processes.worker("db", STUDENT_SKILL="60")
    with site_process.server.client(timeout=60) as api:
        job = api.post("/v1/student/retrain", json={}, headers={"Prefer": "wait=60"}).json()
    assert job["state"] == JobState.SUCCEEDED, job
    worker.kill()
    made = [
        Prediction(
            id=ids.new_id(ids.PREDICTION), pipeline="student", surface="default", model_id=job["result"]["model_id"],
            path="model", confidence=0.6, output={"answer": "EASY"}, created_at=datetime.now(UTC),
        )
        for _ in range(ANSWERS)
    ]  # fmt: skip
    with site_process.database.transaction() as conn:
        conn.execute(OURS)
        predictions.insert(conn, made)
    return {**job["result"], "answer": made[-1].id}


def test_from_an_answer_to_the_people_and_back(site: Site, walked: Mapping[str, str]) -> None:
    page = site.visit("/lineage")
    page.locator(f"a[href='/lineage/{walked['answer']}']").click()
    drawing = page.locator("svg.lineage")
    expect(drawing.locator("a.here")).to_contain_text("model, confidence 0.60")
    for kind, count in (("model", 1), ("dataset", 1), ("example", 4), ("person", 1), ("promotion", 1), ("more", 1)):
        expect(drawing.locator(f"a.box.{kind}")).to_have_count(count)
    expect(drawing.locator("a.person")).to_contain_text("Ada")
    expect(drawing.locator("a.more")).to_have_text("and 56 moreand 56 more")  # its tooltip, and what is drawn
    accessible(page)
    drawing.locator("a.example").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Example")
    expect(drawing.locator("a.prediction")).to_have_count(4)  # and back: label, dataset, model, answers
    expect(drawing.locator("a.more").last).to_contain_text("and 26 more")
    drawing.locator("a.model").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Model")
    expect(page.locator(".threads")).to_have_count(2)
    drawing.locator("a.prediction").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Prediction")
    expect(page.locator(".drawing")).to_be_in_viewport()


def test_on_a_phone_the_thing_itself_is_in_sight(site: Site, walked: Mapping[str, str]) -> None:
    page = site.visit(f"/lineage/{walked['answer']}")

    def look() -> None:
        page.reload()
        expect(page.locator("svg.lineage a.here")).to_be_in_viewport()

    on_a_phone(page, look)


def test_a_list_says_the_same_as_the_drawing(site: Site, walked: Mapping[str, str]) -> None:
    page = site.visit(f"/lineage/{walked['dataset_id']}")
    lists = page.locator(".threads")
    drawn = {box.get_attribute("href") for box in page.locator("svg.lineage a.box:not(.here):not(.person)").all()}
    listed = {link.get_attribute("href") for link in lists.locator("a").all()}
    assert {href for href in drawn if href and not href.endswith(walked["dataset_id"])} <= listed
    expect(lists.first).to_contain_text("and 52 more")


def test_names_are_for_those_who_review(site: Site, walked: Mapping[str, str]) -> None:
    page = site.visit(f"/lineage/{walked['answer']}", scopes=["submit"], who="operator")
    expect(page.locator("svg.lineage a.person")).to_contain_text("somebody")
    assert "Ada" not in page.content()


def test_any_id_can_be_traced_and_a_bad_one_is_told_beside_its_field(site: Site, walked: Mapping[str, str]) -> None:
    page = site.visit("/lineage")
    field = page.get_by_label("Id of an answer")
    field.fill("<script>alert(1)</script>")
    page.get_by_role("button", name="Trace").click()
    expect(page.get_by_role("alert")).to_contain_text("This is no id of ours")
    expect(field).to_have_value("<script>alert(1)</script>")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill(f"  {walked['evaluation_id']} ")
    page.get_by_role("button", name="Trace").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Evaluation")
    answer = page.goto(f"/lineage/ex_{999:032x}")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("alert")).to_contain_text("There is no example")
