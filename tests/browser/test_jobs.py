"""Jobs as a person follows them: live, cancelled, tried again, as a flow; with workers that are real."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from shared import jobs
from shared.db import attempts
from tests.api.conftest import NO_HURRY
from tests.conftest import PROBE
from tests.support.browser import Site, SiteProcess, accessible, shots
from tests.support.probe import EFFECTS
from tests.support.waiting import wait_until

NONE = "0" * 32


@pytest.fixture(scope="module")
def site_env() -> Mapping[str, str]:
    return {"TUNEYARD_PIPELINES": PROBE, "SWEEP_SECONDS": "0.5"}


@pytest.fixture(scope="module")
def _worker(site_process: SiteProcess) -> None:
    """A worker of the queue ``db``, which runs all steps of the probe."""
    with site_process.database.transaction() as conn:
        conn.execute(EFFECTS)
    site_process.processes.worker("db")


@pytest.fixture
def go(tmp_path: Path) -> Iterator[Path]:
    """The file that a hanging step waits for; it goes on at the end in any case."""
    path = tmp_path / "go"
    yield path
    path.touch()


def _submit(site: Site, step: str, **params: object) -> str:
    with site.client() as client:
        return str(client.post(f"/v1/probe/{step}", json=params).raise_for_status().json()["id"])


def _seqs(page: Page) -> list[int]:
    return list(page.locator("[data-log] li").evaluate_all("lines => lines.map(line => Number(line.dataset.seq))"))


def _state(page: Page, state: str) -> None:
    expect(page.locator("h1 .badge").first).to_have_text(state)


@pytest.mark.usefixtures("_worker")
def test_a_job_is_followed_live_until_it_has_succeeded(site: Site, go: Path) -> None:
    page = site.visit("/submit/probe/hang")
    page.get_by_label("Path").fill(str(go))
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("status").first).to_have_text("The job is submitted.")
    _state(page, "running")
    expect(page.get_by_role("listitem").filter(has_text="running").first).to_have_attribute("aria-current", "step")

    percent = page.locator("#bar-percent")
    before = percent.text_content()
    page.evaluate("document.body.dataset.mark = 'the same page'")
    expect(percent).not_to_have_text(str(before))
    expect(page.locator("#bar-message")).to_have_text("hanging")
    expect(page.locator("#counters")).to_contain_text("Rounds")
    expect(page.locator("[data-log] .progress").first).to_be_visible()
    accessible(page)
    shots(page, "job-running")

    go.touch()
    _state(page, "succeeded")
    expect(page.locator("[data-announce]")).to_contain_text("probe.hang: succeeded")
    expect(page).to_have_title("probe.hang succeeded · Tuneyard")
    expect(page.locator("#bar-percent")).to_have_text("100 %")
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    assert page.evaluate("document.body.dataset.mark") == "the same page"
    assert _seqs(page) == sorted(set(_seqs(page)))


@pytest.mark.usefixtures("_worker")
def test_a_lost_connection_is_said_and_no_event_is_missed(site: Site, go: Path) -> None:
    job = _submit(site, "hang", path=str(go))
    window = site.window()
    window.route("**/events?*", lambda route: route.abort("connectionreset"))
    page = window.new_page()
    page.goto(f"/jobs/{job}")
    expect(page.get_by_text("trying again")).to_be_visible()
    shown = page.locator("[data-log] li").count()
    with site.database.reading() as conn:
        wait_until(lambda: len(jobs.events(conn, [job])) > shown + 2)
    window.unroute_all()
    go.touch()
    _state(page, "succeeded")
    expect(page.get_by_text("trying again")).to_be_hidden()
    with site.database.reading() as conn:
        happened = [event.seq for event in jobs.events(conn, [job])]
    expect(page.locator("[data-log] li")).to_have_count(len(happened))
    assert _seqs(page) == happened


@pytest.mark.usefixtures("_worker")
def test_a_running_job_is_cancelled_and_then_tried_again(site: Site, go: Path) -> None:
    job = _submit(site, "hang", path=str(go))
    page = site.visit(f"/jobs/{job}", ["submit"])
    _state(page, "running")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    _state(page, "cancelled")
    accessible(page)

    go.touch()
    page.get_by_role("button", name="Retry").click()
    _state(page, "succeeded")
    expect(page.get_by_role("heading", name="Attempts")).to_be_visible()
    shots(page, "job-retried")


@pytest.mark.usefixtures("_worker")
def test_a_question_that_is_declined_cancels_nothing(site: Site, go: Path) -> None:
    page = site.visit(f"/jobs/{_submit(site, 'hang', path=str(go))}")
    _state(page, "running")
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Cancel").click()
    go.touch()
    _state(page, "succeeded")


@pytest.mark.usefixtures("_worker")
def test_a_flow_shows_its_steps_and_why_it_failed_and_is_tried_again_without_a_script(site: Site) -> None:
    page = site.visit(f"/jobs/{_submit(site, 'broken-chain')}", java_script_enabled=False)
    wait_until(lambda: page.reload() and page.locator("h1 .badge").first.inner_text() == "failed", timeout=20)
    steps = page.get_by_role("table", name="Steps of this flow").get_by_role("row")
    expect(steps).to_have_count(3)
    expect(steps.nth(2)).to_contain_text("the probe refuses")
    expect(page.get_by_role("heading", name="Why it failed")).to_be_visible()
    expect(page.get_by_text("What to do: there is nothing to be done.")).to_be_visible()
    shots(page, "job-flow-failed")

    page.get_by_role("link", name="probe.refuse").click()
    expect(page.get_by_role("navigation", name="Where this is")).to_contain_text("probe.broken-chain")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("status").first).to_have_text("The job is queued again.")


@pytest.mark.usefixtures("_worker")
def test_a_flow_is_followed_while_its_steps_run(site: Site) -> None:
    page = site.visit(f"/jobs/{_submit(site, 'chain', value=3)}")
    _state(page, "succeeded")
    expect(page.get_by_role("table", name="Steps of this flow").get_by_role("row")).to_have_count(4)
    accessible(page)


def test_whoever_may_only_look_sees_no_button_and_is_refused(site: Site) -> None:
    job = _submit(site, "sweepable")
    page = site.visit(f"/jobs/{job}", ["review"], who="Rhea")
    _state(page, "queued")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    answer = page.request.post(
        f"/jobs/{job}/cancel",
        form={"csrf_token": str(page.locator('meta[name="csrf-token"]').get_attribute("content"))},
        headers={"Origin": site.url},
    )
    assert answer.status == 403
    assert "lacks the scope submit" in answer.text()
    with site.database.reading() as conn:
        assert jobs.get(conn, job).state == "queued"


def test_a_form_of_another_page_cancels_nothing(site: Site) -> None:
    job = _submit(site, "sweepable")
    page = site.visit(f"/jobs/{job}")
    for token, origin in (("", site.url), ("0" * 64, site.url)):
        answer = page.request.post(f"/jobs/{job}/cancel", form={"csrf_token": token}, headers={"Origin": origin})
        assert answer.status == 403
    with site.database.reading() as conn:
        assert jobs.get(conn, job).state == "queued"


def test_what_ended_meanwhile_is_not_cancelled_and_that_is_said(site: Site) -> None:
    job = _submit(site, "sweepable")
    page = site.visit(f"/jobs/{job}", java_script_enabled=False)
    with site.database.transaction() as conn:
        claimed = attempts.claim(conn, job, worker="w", lease=NO_HURRY)
        assert claimed
        attempts.succeed(conn, job, claimed.attempt, {"value": 1, "sentence": "<img src=x onerror=alert(1)>"})
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status").first).to_contain_text("Nothing was changed")
    expect(page.get_by_text("<img src=x onerror=alert(1)>").first).to_be_visible()


def test_the_list_is_filtered_keeps_itself_up_to_date_and_stays_where_it_is(site: Site) -> None:
    waiting = [_submit(site, "sweepable", value=n) for n in range(30)]
    page = site.visit("/jobs")
    page.get_by_label("Queue").select_option("finetune")
    page.wait_for_url("**/jobs?queue=finetune")
    row = page.locator(f"#row-{waiting[3]}")
    expect(row.locator(".badge").first).to_have_text("queued")
    row.scroll_into_view_if_needed()
    row.get_by_role("link").first.focus()
    y = page.evaluate("scrollY")
    assert y > 0

    with site.client() as client:
        client.post(f"/v1/jobs/{waiting[3]}/cancel").raise_for_status()
    expect(row.locator(".badge").first).to_have_text("cancelled")
    assert abs(page.evaluate("scrollY") - y) < 40  # the row itself became lower: its bar is gone
    assert page.evaluate("document.activeElement.closest('tr').id") == f"row-{waiting[3]}"
    assert page.url.endswith("/jobs?queue=finetune")

    page.get_by_role("button", name="Live").click()
    expect(page.get_by_role("button", name="Paused")).to_have_attribute("aria-pressed", "false")


def test_pages_of_the_list_follow_each_other_and_no_job_is_shown_twice(site: Site) -> None:
    for n in range(60):
        _submit(site, "alone-chain" if n == 0 else "sweepable", value=n)
    page = site.visit("/jobs?step=probe.sweepable", java_script_enabled=False)
    first = set(page.locator("tr[id]").evaluate_all("rows => rows.map(row => row.id)"))
    assert len(first) == 50
    page.get_by_role("link", name="Older").click()
    second = set(page.locator("tr[id]").evaluate_all("rows => rows.map(row => row.id)"))
    assert second
    assert not first & second
    expect(page.get_by_label("Step")).to_have_value("probe.sweepable")


@pytest.mark.parametrize(
    "query", ["", "?state=failed", "?pipeline=gold", f"?parent=job_{NONE}", "?actor=nobody&step=&state="]
)
def test_the_list_is_for_everybody(site: Site, query: str) -> None:
    page = site.visit(f"/jobs{query}")
    expect(page.get_by_role("heading", name="Jobs", level=1)).to_be_visible()
    accessible(page)
    if not query:
        shots(page, "jobs")


def test_filters_that_mean_nothing_and_jobs_that_are_not_there_are_said(site: Site) -> None:
    page = site.visit("/jobs?state=dancing")
    expect(page.get_by_role("alert")).to_contain_text("state")
    page.goto(f"/jobs/job_{NONE}")
    expect(page.get_by_role("alert")).to_contain_text("There is no job")
