"""Submitting steps by their forms."""

from collections.abc import Mapping
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from shared import jobs
from tests.conftest import PROBE
from tests.support.browser import Site, SiteProcess, accessible, shots


@pytest.fixture(scope="module")
def site_env() -> Mapping[str, str]:
    return {"TUNEYARD_PIPELINES": PROBE, "MAX_UPLOAD_BYTES": "3000000"}


@pytest.fixture(scope="module")
def _worker(site_process: SiteProcess) -> None:
    site_process.processes.worker("db")


def _job_of(site: Site, page: Page) -> jobs.Job:
    page.wait_for_url("**/jobs/job_*")
    with site.database.reading() as conn:
        return jobs.get(conn, page.url.rpartition("/")[2])


def _count(site: Site, **filters: Any) -> int:
    with site.database.reading() as conn:
        return len(jobs.list_jobs(conn, **filters))


def _file(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "text/plain", "buffer": content}


def test_steps_are_found_by_words(site: Site) -> None:
    page = site.visit("/submit")
    accessible(page)
    shots(page, "submit")
    page.get_by_label("Search").fill("router train")
    expect(page.locator("[data-found]")).to_have_text("2 steps")
    expect(page.get_by_role("link", name="retrain", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="gold")).to_be_hidden()
    page.get_by_label("Search").fill("no such step")
    expect(page.get_by_text("No step has these words.")).to_be_visible()

    page = site.visit("/submit?q=probe+alone", java_script_enabled=False)
    expect(page.get_by_role("link", name="alone", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="noop")).to_have_count(0)


def test_an_invalid_value_comes_back_with_the_fault_beside_it_and_the_focus_on_it(site: Site) -> None:
    page = site.visit("/submit/router/canary")
    page.get_by_label("Model id").fill("mdl two <b>")
    page.get_by_label("Percent").fill("120")
    page.get_by_role("button", name="Submit").click()

    percent = page.get_by_label("Percent")
    expect(percent).to_have_value("120")
    expect(percent).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#e-percent")).to_have_text("Input should be less than or equal to 100.")
    expect(page.get_by_label("Model id")).to_have_value("mdl two <b>")
    expect(page.get_by_label("Model id")).to_be_focused()  # the first of both
    expect(page.get_by_role("alert")).to_contain_text("Nothing was submitted.")
    assert _count(site, kind="router.canary") == 0
    accessible(page)
    shots(page, "submit-fault")

    page.get_by_role("link", name="Percent").click()
    expect(percent).to_be_focused()


def test_a_rule_over_several_fields_is_told_at_the_top_and_the_answer_is_422(site: Site) -> None:
    page = site.visit("/submit/router/promote", java_script_enabled=False)
    page.get_by_label("Force").check()
    with page.expect_response("**/submit/router/promote") as answer:
        page.get_by_role("button", name="Submit").click()
    assert answer.value.status == 422
    expect(page.get_by_role("alert")).to_contain_text("reason")
    expect(page.get_by_label("Force")).to_be_checked()


def test_two_clicks_make_one_job(site: Site) -> None:
    page = site.visit("/submit/probe/sweepable")
    page.get_by_label("Value").fill("7")
    page.get_by_role("button", name="Submit").dblclick()
    first = _job_of(site, page)
    assert first.params == {"value": 7}

    assert _count(site, kind="probe.sweepable") == 1

    page.go_back()  # a new form: whoever comes back and submits means another job
    page.get_by_label("Value").fill("8")
    page.get_by_role("button", name="Submit").click()
    assert _job_of(site, page).params == {"value": 8}


def test_without_a_script_a_form_sent_twice_makes_one_job(site: Site) -> None:
    page = site.visit("/submit/probe/noop", java_script_enabled=False)
    sent: dict[str, str | float | bool] = {
        each: str(page.locator(f'main [name="{each}"]').get_attribute("value"))
        for each in ("csrf_token", "once", "value")
    }
    before = _count(site, kind="probe.noop")
    places = {
        page.request.post("/submit/probe/noop", form=sent, headers={"Origin": site.url}, max_redirects=0).headers[
            "location"
        ]
        for _ in range(3)
    }
    assert len(places) == 1
    assert _count(site, kind="probe.noop") == before + 1
    page.goto(places.pop())
    expect(page.get_by_role("status").first).to_have_text("This form was sent before: here is its job.")


@pytest.mark.usefixtures("_worker")
def test_files_are_sent_with_the_form_chosen_or_dropped(site: Site) -> None:
    page = site.visit("/submit/probe/join", ["submit"], who="Sam")
    page.get_by_label("Choose a file for First").set_input_files(_file("a.txt", b"one "))
    expect(page.get_by_text("Sent: a.txt, 4 bytes")).to_be_visible()
    transfer = page.evaluate_handle(
        "() => { const all = new DataTransfer(); for (const text of ['two ', 'three'])"
        " all.items.add(new File([text], text.trim() + '.txt')); return all; }"
    )
    page.locator("[data-drop]").nth(1).dispatch_event("drop", {"dataTransfer": transfer})
    expect(page.get_by_text("Sent: two.txt, 4 bytes; three.txt, 5 bytes")).to_be_visible()
    page.get_by_label("Facts").fill('{"a": [1, 2]}')
    accessible(page)
    shots(page, "submit-files")

    page.get_by_role("button", name="Submit").click()
    expect(page.locator("h1 .badge").first).to_have_text("succeeded")
    with page.expect_download() as download:
        page.get_by_role("link", name="joined.txt").click()
    assert download.value.path().read_bytes() == b"one two three"
    assert download.value.suggested_filename == "joined.txt"
    assert _job_of(site, page).actor == "Sam"


def test_a_file_that_is_too_large_is_told_before_it_is_sent(site: Site) -> None:
    page = site.visit("/submit/probe/join")
    page.get_by_label("Choose a file for First").set_input_files(_file("big.bin", b"0" * 3_000_001))
    expect(page.locator("#e-first")).to_have_text("big.bin is larger than 3 MB, the most that is taken.")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#e-first")).to_have_text("This is required.")
    expect(page.get_by_label("Choose a file for First")).to_be_focused()


def test_a_dry_run_is_the_default_and_what_is_live_says_so(site: Site) -> None:
    page = site.visit("/submit/gold/finetune")
    expect(page.get_by_role("radio", name="Dry run")).to_be_checked()
    expect(page.get_by_text("dry run", exact=True)).to_be_visible()
    page.get_by_role("radio", name="Live").check()
    expect(page.get_by_text("live: this may cost money")).to_be_visible()
    expect(page.get_by_text("dry run", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Submit").click()
    assert _job_of(site, page).params["live"] is True


def test_what_must_not_run_twice_is_said_with_the_job_in_the_way(site: Site) -> None:
    page = site.visit("/submit/dedup/cluster")
    page.get_by_role("button", name="Submit").click()
    first = _job_of(site, page).id
    page.goto(f"/submit/dedup/cluster?like={first}")
    page.get_by_label("Linkage").select_option("average")
    with page.expect_response("**/submit/dedup/cluster") as answer:
        page.get_by_role("button", name="Submit").click()
    assert answer.value.status == 409
    expect(page.get_by_role("alert")).to_contain_text("is under way already")
    expect(page.get_by_label("Linkage")).to_have_value("average")
    page.get_by_role("link", name="follow that job").click()
    assert _job_of(site, page).id == first


def test_whoever_lacks_the_scope_may_look_and_is_refused(site: Site) -> None:
    page = site.visit("/submit/router/promote", ["submit"], who="Sam")
    expect(page.get_by_role("button", name="Submit")).to_have_count(0)
    expect(page.get_by_text("Your key lacks the scope promote")).to_be_visible()
    token = str(page.locator('meta[name="csrf-token"]').get_attribute("content"))
    answer = page.request.post("/submit/router/promote", form={"csrf_token": token}, headers={"Origin": site.url})
    assert answer.status == 403
    assert _count(site, kind="router.promote") == 0


def test_hostile_texts_stay_texts(site: Site) -> None:
    hostile = "\"'></textarea><script>alert(1)</script><img src=x onerror=alert(1)>"
    page = site.visit("/submit/probe/join")
    for name in ("first", "others", "facts"):
        page.locator(f"#f-{name}").evaluate("(element, text) => { element.value = text; }", hostile)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#f-facts")).to_have_value(hostile)
    expect(page.locator("#f-first")).to_have_value(hostile)
    assert page.locator("main img, main script").count() == 0
    page.goto(f"/submit?q={hostile}")
    page.goto(f"/submit/probe/hang?path={hostile}&nothing={hostile}")
    expect(page.get_by_label("Path")).to_have_value(hostile)


def test_a_step_that_is_not_there_is_said(site: Site) -> None:
    page = site.visit("/submit/router/dance")
    expect(page.get_by_role("alert")).to_contain_text("There is no step router.dance")
