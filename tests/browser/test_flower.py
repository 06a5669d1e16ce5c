"""Flower's pages, seen through the front by those who may."""

from collections.abc import Mapping

import httpx
import pytest
from playwright.sync_api import expect

from shared.stack.ports import free_port
from tests.support.browser import Site, SiteProcess, shots

PASSWORD = "flowers-password"
PORT = free_port()


@pytest.fixture(scope="module")
def site_env() -> Mapping[str, str]:
    return {"FLOWER_URL": f"http://127.0.0.1:{PORT}", "FLOWER_PASSWORD": PASSWORD}


@pytest.fixture(scope="module")
def flower(site_process: SiteProcess) -> str:
    """A Flower as the stack starts it; returns its own address."""
    env = {"FLOWER_ADDRESS": "127.0.0.1", "FLOWER_PORT": str(PORT), "FLOWER_BASIC_AUTH": f"tuneyard:{PASSWORD}"}
    more = {"FLOWER_URL_PREFIX": "flower", "FLOWER_READ_ONLY": "true"}
    process = site_process.processes.python("-m", "celery", "--app", "workers.app", "--quiet", "flower", **env, **more)
    url = f"http://127.0.0.1:{PORT}"
    site_process.processes.wait_for(process, lambda: _answers(url))
    return url


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/flower/healthcheck", timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_a_page_says_so_when_flower_does_not_run(site: Site) -> None:
    page = site.visit("/flower/")
    expect(page.get_by_role("alert")).to_contain_text("Flower does not answer")
    assert site.troubles == [f"{site.url}/flower/: 503"]
    site.troubles.clear()


def test_an_administrator_sees_workers_tasks_and_queues(site: Site, flower: str) -> None:
    page = site.visit("/flower/")
    expect(page.get_by_role("region", name="Workers")).to_be_visible()
    with page.expect_response(lambda answer: answer.request.resource_type == "xhr") as news:
        page.wait_for_load_state()  # its script runs, and asks again and again
    assert news.value.ok
    for name in ("Tasks", "Broker"):
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_load_state("networkidle")
        expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("aria-current", "page")
    shots(page, "flower")


def test_its_scripts_reach_nothing_else_of_this_site(site: Site, flower: str) -> None:
    page = site.visit("/flower/")
    blocked = page.evaluate("fetch('/v1/keys').then(() => 'answered', (error) => error.name)")
    assert blocked == "TypeError"
    assert all("Content Security Policy" in trouble for trouble in site.troubles)
    assert site.troubles
    site.troubles.clear()


def test_nothing_but_its_pages_is_passed_on_and_nothing_is_ordered(site: Site, flower: str) -> None:
    window = site.window()
    for path in (
        "metrics",
        "healthcheck",
        "api/tasks",
        "api/task/info/x",
        "login",
        "static/../metrics",
        "workers/x",
        "%2e%2e/x",
    ):
        assert window.request.get(f"/flower/{path}").status == 404, path
    for path in ("api/worker/shutdown/w", "api/task/revoke/x", "workers", ""):
        answer = window.request.post(f"/flower/{path}")
        assert answer.status in {403, 405}, path
    page = window.request.get("/flower/workers")
    assert page.ok
    assert "set-cookie" not in page.headers
    assert PASSWORD not in page.text()


def test_others_are_kept_out(site: Site, flower: str) -> None:
    assert site.window(["submit", "review", "promote"]).request.get("/flower/").status == 403
    stranger = site.window(None).request.get("/flower/", max_redirects=0)
    assert (stranger.status, stranger.headers["location"]) == (303, "/sign-in?to=/flower/")
    assert httpx.get(f"{flower}/flower/", trust_env=False).status_code == 401  # its own door
    assert "Flower" not in site.visit("/", ["review"]).get_by_role("navigation", name="Main").inner_text()
    assert "Flower" in site.visit("/").get_by_role("navigation", name="Main").inner_text()
