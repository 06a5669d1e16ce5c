"""Models in a real browser, with a real worker: promote, roll back, force and its reason, canary, pin, wrong scope."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect
from psycopg.types.json import Jsonb

from shared import models
from shared.artifact_stores import open_store
from shared.contracts import JobState
from shared.db import canaries, evaluations, pins, promotions
from shared.files import publish_files
from shared.settings import Settings
from tests.support.browser import Site, SiteProcess, accessible, shots
from tests.support.school import STUDENT, School
from tests.support.waiting import wait_until

SURFACE: Final = "/models/student/default"
DRAWING: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="36"><rect width="9" height="9"/>'
    b'<script>document.documentElement.dataset.ran = "yes"</script></svg>'
)
HOSTILE: Final = "<img src=x onerror=alert(1)></script><script>alert(2)</script>{{ 7 * 7 }}"


@pytest.fixture(scope="module")
def site_env() -> Mapping[str, str]:
    """The front and its worker know the student."""
    return {"TUNEYARD_PIPELINES": STUDENT}


@pytest.fixture(scope="module")
def trained(site_process: SiteProcess) -> tuple[str, str]:
    """A model that is active, and a candidate that knows more; the worker goes on working."""
    School(site_process.database).label(100)
    with site_process.server.client(timeout=60) as api:

        def run(step: str) -> dict[str, str]:
            job = api.post(f"/v1/student/{step}", json={}, headers={"Prefer": "wait=60"}).json()
            assert job["state"] == JobState.SUCCEEDED, job
            found: dict[str, str] = job["result"]
            return found

        first = site_process.processes.worker("db", STUDENT_SKILL="60")
        run("freeze")
        older = run("train")["model_id"]
        assert run("promote")["promoted"]
        first.kill()
        site_process.processes.worker("db", STUDENT_SKILL="95")
        newer = run("train")["model_id"]
        run("evaluate")
    return older, newer


def _active(site: Site) -> str | None:
    with site.database.reading() as conn:
        found = models.active(conn, "student", "default")
    return found.id if found else None


def _version(site: Site, model_id: str) -> str:
    with site.database.reading() as conn:
        return models.get(conn, model_id).version


def _agree(page: Page) -> None:
    page.on("dialog", lambda dialog: dialog.accept())


def _open(page: Page, name: str) -> None:
    page.locator("details.act:not([open]) > summary", has_text=re.compile(f"^{name}$")).click()


def test_a_candidate_is_promoted_and_rolled_back_through_the_pages(site: Site, trained: tuple[str, str]) -> None:
    older, newer = trained
    page = site.visit(f"/models/{newer}", scopes=["promote"], who="Ada")
    _agree(page)
    expect(page.get_by_role("heading", name="What the gates say")).to_be_visible()
    expect(page.locator(".verdicts li").first).to_contain_text("the candidate scores")
    expect(page.locator("table.figures").first).to_contain_text("Accuracy")
    accessible(page)
    shots(page, "model")
    page.get_by_role("button", name="Dry run").click()
    page.wait_for_url(re.compile(r"/jobs/job_"))
    expect(page.locator("main")).to_contain_text("Nothing was changed: this is a dry run.")
    assert _active(site) == older
    page.goto(f"/models/{newer}")
    page.locator("#why-promote").fill(HOSTILE)
    page.get_by_role("button", name="Promote", exact=True).click()
    page.wait_for_url(re.compile(r"/jobs/job_"))
    wait_until(lambda: _active(site) == newer)
    expect(page.locator("main")).to_contain_text("is active now, in the place of")

    page.goto(SURFACE)
    expect(page.locator("table.history tbody tr").first).to_contain_text(HOSTILE)
    expect(page.locator("table.history tbody tr").first).to_contain_text("Ada")
    accessible(page)
    shots(page, "surface")
    _open(page, "Roll back")
    page.locator("#why-rollback").fill("it knows too much")
    page.get_by_role("button", name="Roll back").click()
    page.wait_for_url(re.compile(r"/jobs/job_"))
    wait_until(lambda: _active(site) == older)
    with site.database.reading() as conn:
        latest = promotions.list_promotions(conn, pipeline="student", limit=1)[0]
    assert (latest.kind, latest.actor, latest.reason) == ("rollback", "Ada", "it knows too much")
    page.goto("/models")
    expect(page.locator("#student")).to_contain_text(_version(site, older))
    accessible(page)
    shots(page, "models")


def test_force_and_a_rollback_need_a_reason(site: Site, trained: tuple[str, str]) -> None:
    older, newer = trained
    before = _active(site)
    page = site.visit(f"/models/{newer if before == older else older}", scopes=["promote"])
    _agree(page)
    if not page.locator("#force-promote").is_visible():
        _open(page, "Promote")
    page.locator("#force-promote").check()
    page.get_by_role("button", name="Promote", exact=True).click()
    field = page.locator("#why-promote")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#why-fault-promote")).to_have_text(re.compile("reason"))
    expect(page.locator("#force-promote")).to_be_checked()
    accessible(page)
    page.goto(SURFACE)
    _open(page, "Deactivate")
    page.get_by_role("button", name="Deactivate").click()
    expect(page.locator("#why-fault-deactivate")).to_contain_text("Say why")
    assert _active(site) == before


def test_a_canary_is_started_and_ended_and_a_surface_pinned(site: Site, trained: tuple[str, str]) -> None:
    older, newer = trained
    other = newer if _active(site) == older else older
    page = site.visit(f"/models/{other}", scopes=["promote"])
    _agree(page)
    _open(page, "Start a canary")
    page.locator("#percent").evaluate("box => { box.removeAttribute('max'); }")
    page.locator("#percent").fill("101")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#percent-fault")).to_contain_text("100")
    page.locator("#percent").fill("25")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/jobs/job_"))

    def share() -> int:
        with site.database.reading() as conn:
            running = canaries.running(conn, "student", "default")
        return running.percent if running else 0

    wait_until(lambda: share() == 25)
    page.goto(SURFACE)
    expect(page.locator("section[aria-labelledby=canary]")).to_contain_text("have not answered the same input yet")
    _open(page, "End the canary")
    page.get_by_role("button", name="End the canary").click()
    page.wait_for_url(re.compile(r"/jobs/job_"))
    wait_until(lambda: share() == 0)
    page.goto(SURFACE)
    _open(page, "Pin to the fallback")
    page.locator("#why-pin").fill("an audit")
    page.get_by_role("button", name="Pin", exact=True).click()
    page.wait_for_url(re.compile(r"/jobs/job_"))

    def pinned() -> bool:
        with site.database.reading() as conn:
            return pins.holding(conn, "student", "default") is not None

    wait_until(pinned)
    page.goto(SURFACE)
    expect(page.locator("dl.tiles")).to_contain_text("pinned: the fallback answers")


def test_who_may_not_promote_sees_all_and_changes_nothing(site: Site, trained: tuple[str, str]) -> None:
    _older, newer = trained
    before = _active(site)
    page = site.visit(f"/models/{newer}", scopes=["review"], who="Bob")
    expect(page.locator("aside").first).to_contain_text("lacks the scope promote")
    assert page.locator("aside form").count() == 0
    answer = page.request.post(
        f"/models/{newer}",
        form={
            "csrf_token": page.locator("meta[name=csrf-token]").get_attribute("content") or "",
            "do": "activate", "once": "0" * 32, "reason": "because", "force": "true",
        },
    )  # fmt: skip
    assert answer.status == 403
    assert "sign in with a key that has the scope promote" in answer.text()
    assert _active(site) == before


def test_the_card_is_readable_and_what_is_none_is_told(site: Site, trained: tuple[str, str]) -> None:
    older, _newer = trained
    page = site.visit(f"/models/{older}/card", scopes=["review"])
    expect(page.get_by_role("heading", name="Held-out figures")).to_be_visible()
    expect(page.locator(".model-card table").first).to_contain_text("accuracy")
    accessible(page)
    page.goto(f"/models/mdl_{'0' * 32}")
    expect(page.get_by_role("alert")).to_contain_text("There is no model")
    page.goto("/models/student/nowhere")
    expect(page.locator("main")).to_contain_text("choose one of: default")


def test_drawings_of_the_worker_are_pictures_and_nothing_else(site: Site, trained: tuple[str, str]) -> None:
    older, _newer = trained
    home = Settings(tuneyard_home=Path(site.processes.env["TUNEYARD_HOME"]))
    files = publish_files(
        open_store(home.artifacts(), home), {"reports/per_hour.svg": DRAWING, "reports/a.html": b"<p>"}
    )
    with site.database.transaction() as conn:
        evaluation = evaluations.of_model(conn, older, limit=1)[0]
        conn.execute(
            "UPDATE jobs SET result = result || %s WHERE id = %s",
            [Jsonb({"files": files.model_dump(mode="json")}), evaluation.job_id],
        )
    page = site.visit(f"/models/{older}", scopes=["review"])
    picture = page.get_by_role("img", name="Per hour: a chart of this evaluation")
    expect(picture).to_be_visible()
    wait_until(lambda: picture.evaluate("each => each.complete && each.naturalWidth") == 64)
    source = picture.get_attribute("src") or ""
    page.goto(source)  # by itself it is no page of ours either: its script does not run
    assert page.evaluate("document.documentElement.dataset.ran") is None
    answer = page.request.get(source)
    assert "sandbox" in answer.headers["content-security-policy"]
    assert page.request.get(source.replace("per_hour.svg", "a.html")).status == 404
    site.troubles = [each for each in site.troubles if "Content Security Policy" not in each and "sandbox" not in each]
