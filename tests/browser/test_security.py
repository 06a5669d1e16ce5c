"""What a browser itself lets through: other sites, frames, pictures that are no pictures, sessions that end."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from shared import keys
from shared.artifact_stores import open_store
from shared.contracts import Scope
from shared.settings import Settings
from tests.support.browser import Site, accessible
from tests.support.small_http import Reply, SmallServer
from tests.support.waiting_items import put_pictures

SCRIPT: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" onload="window.broken=1"><script>window.broken=2</script></svg>'
)
PAGE: Final = b"<!doctype html><script>window.broken=3</script><img src=x onerror=window.broken=4>"


@pytest.fixture(scope="module")
def other_site() -> Iterator[str]:
    """A page of somebody else, on this very host: a browser sends our cookie even with what comes from there."""
    with SmallServer(lambda _: Reply(body=b"<!doctype html><title>Win!</title>", content_type="text/html")) as server:
        yield server.url


@pytest.fixture
def elsewhere(site: Site, other_site: str) -> Page:
    """The other site's page, in the window of somebody who is signed in here."""
    page = site.window().new_page()
    page.goto(other_site)
    return page


def jobs_of(site: Site) -> int:
    with site.database.reading() as conn:
        found = conn.execute("SELECT count(*) FROM jobs").fetchone()
    assert found
    return int(found[0])


# --- other sites ----------------------------------------------------------------------------------------------------


def test_a_form_of_another_site_does_nothing(site: Site, other_site: str, elsewhere: Page) -> None:
    for path in ("/theme", "/sign-out", "/sign-in", "/submit/router/train", f"/jobs/job_{0:032x}/cancel"):
        elsewhere.goto(other_site)
        with elsewhere.expect_response(f"{site.url}{path}") as answered:
            elsewhere.evaluate(
                """(url) => { const form = Object.assign(document.createElement("form"), {method: "post", action: url});
                form.append(Object.assign(document.createElement("input"), {name: "theme", value: "dark"}));
                document.body.append(form); form.submit(); }""",
                f"{site.url}{path}",
            )
        elsewhere.wait_for_url(f"{site.url}{path}")
        assert answered.value.request.headers["origin"] == other_site
        assert answered.value.status == 403, path
    assert jobs_of(site) == 0
    assert all(cookie["name"] != "tuneyard_theme" for cookie in elsewhere.context.cookies())
    elsewhere.goto(f"{site.url}/jobs")
    expect(elsewhere.get_by_role("button", name="Sign out")).to_be_visible()


def test_a_script_of_another_site_reads_and_orders_nothing(site: Site, elsewhere: Page) -> None:
    ask = "([url, more]) => fetch(url, {credentials: 'include', ...more}).then((a) => a.type, (e) => e.name)"
    for path in ("/v1/keys", "/jobs", "/v1/jobs"):
        assert elsewhere.evaluate(ask, [f"{site.url}{path}", {}]) == "TypeError", path
    order = {"method": "POST", "mode": "no-cors", "headers": {"Content-Type": "text/plain"}, "body": "{}"}
    with elsewhere.expect_response("**/v1/router/train") as answered:
        assert elsewhere.evaluate(ask, [f"{site.url}/v1/router/train", order]) == "opaque"
    assert answered.value.status == 403
    assert jobs_of(site) == 0
    site.troubles.clear()


def test_no_page_is_shown_in_a_frame_of_another_site(site: Site, elsewhere: Page) -> None:
    with elsewhere.expect_console_message(lambda message: "frame-ancestors" in message.text):
        elsewhere.evaluate(
            "(url) => document.body.append(Object.assign(document.createElement('iframe'), {src: url}))",
            f"{site.url}/sign-in",
        )
    assert all("API key" not in frame.content() for frame in elsewhere.frames)
    site.troubles.clear()


# --- pictures -------------------------------------------------------------------------------------------------------


def test_a_picture_that_is_none_does_nothing(site: Site) -> None:
    (frame,) = put_pictures(site.database, site.processes, webcams=1, frames=1)
    settings = Settings(tuneyard_home=Path(site.processes.env["TUNEYARD_HOME"]))
    store = open_store(settings.artifacts(), settings)
    for content in (SCRIPT, PAGE, b"", b"\xff\xd8\xff" + bytes(1000), b"GIF89a" + b"\xff" * 500):
        ref = store.put(content)
        with site.database.transaction() as conn:
            conn.execute("UPDATE images SET artifact = %s, bytes = %s", [ref.sha256, ref.size])
        page = site.visit("/review/images/ratings", scopes=["review"])
        expect(page.locator("main img").first).to_be_attached()
        assert page.evaluate("window.broken") is None
        assert not site.troubles
        answer = page.goto(f"/v1/images/{frame.id}/picture")  # opened by itself, as a document
        assert answer
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert page.evaluate("window.broken") is None
        site.troubles.clear()  # the browser's own page around a picture has inline styles, which are refused


# --- sessions -------------------------------------------------------------------------------------------------------


def test_a_session_that_ended_leads_to_the_sign_in_and_back_to_the_page(site: Site) -> None:
    with site.database.transaction() as conn:
        key_id, key = keys.create_key(conn, "Ada", [Scope.ADMIN])
    page = site.visit("/sign-in?to=/jobs%3Fstate%3Dfailed", scopes=None)
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/jobs\?state=failed$"))
    expect(page.get_by_text("Ada").first).to_be_visible()
    with site.database.transaction() as conn:
        keys.revoke(conn, key_id)
    page.reload()
    page.wait_for_url(re.compile(r"/sign-in\?to=/jobs"))
    page.get_by_label("API key").fill(site.key(who="Bob"))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/jobs\?state=failed$"))
    expect(page.get_by_text("Bob").first).to_be_visible()


def test_scripts_cannot_read_the_session(site: Site) -> None:
    page = site.visit("/jobs")
    assert page.evaluate("document.cookie") == ""
    stored: Mapping[str, int] = page.evaluate("({local: localStorage.length, session: sessionStorage.length})")
    assert stored == {"local": 0, "session": 0}


def test_who_may_not_is_told_what_is_missing(site: Site) -> None:
    page = site.visit("/review", scopes=["submit"])
    expect(page.get_by_role("heading", name="Forbidden")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("lacks the scope review")
    accessible(page)


def test_wrong_keys_are_held_back_with_a_time_to_try_again(site: Site) -> None:
    window = site.window(None, extra_http_headers={"X-Forwarded-For": "198.51.100.9"})
    for number in range(10):
        assert window.request.post("/sign-in", form={"key": f"ty_wrong{number}"}).status == 422
    page = window.new_page()
    page.goto("/sign-in")
    page.get_by_label("API key").fill("ty_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"Try again in \d+ s"))
    accessible(page)
