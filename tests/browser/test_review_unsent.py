"""No decision is lost: no connection, a lost answer, a reload, a busy server, an ended session."""

from typing import Final

import pytest
from playwright.sync_api import Route, expect

from tests.shared.pipelines.dedup.desk import Desk
from tests.support.browser import Site, SiteProcess, accessible, shots
from tests.support.review_pages import PATH, empty_desk, put_pairs, shows, standing
from tests.support.waiting import wait_until

API: Final = "**/v1/review/dedup/clusters/cl_*"


@pytest.fixture
def desk(site_process: SiteProcess) -> Desk:
    return empty_desk(site_process.database)


@pytest.fixture
def items(desk: Desk) -> list[str]:
    """Twelve pairs that wait, in the order in which they come."""
    return put_pairs(desk)


def test_without_a_connection_nothing_is_lost(site: Site, desk: Desk, items: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"])
    expect(page.locator("#deck article")).to_have_count(5)
    page.context.set_offline(True)
    for item in items[:4]:
        shows(page, item)
        page.keyboard.press("y")
    page.keyboard.press("u")  # of one that was not sent: it never was said
    shows(page, items[3])
    expect(page.get_by_text("3 decisions not yet sent")).to_be_visible()
    accessible(page)
    shots(page, "review-not-sent")
    assert standing(desk) == {}
    for item in items[3:5]:
        shows(page, item)
        page.keyboard.press("n")
    expect(page.get_by_text("No connection: the next items come when it is back.")).to_be_visible()
    expect(page.get_by_text("Nothing waits here")).to_be_hidden()
    page.context.set_offline(False)
    shows(page, items[5])
    wait_until(lambda: standing(desk) == dict.fromkeys(items[:3], "approve") | dict.fromkeys(items[3:5], "reject"))
    expect(page.get_by_text("not yet sent")).to_have_count(0)
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_lost_answer_and_a_reload_send_nothing_twice(site: Site, desk: Desk, items: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"])
    shows(page, items[0])
    lost: list[int] = []

    def lose(route: Route) -> None:
        lost.append(route.fetch().status)
        route.abort()

    page.route(API, lose)
    page.keyboard.press("y")
    shows(page, items[1])
    page.keyboard.press("n")
    wait_until(lambda: standing(desk) == {items[0]: "approve"})
    expect(page.get_by_text("2 decisions not yet sent")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())  # the browser asks whether one wants to leave
    page.unroute(API)
    page.reload()
    shows(page, items[2])
    wait_until(lambda: standing(desk) == {items[0]: "approve", items[1]: "reject"})
    assert lost
    assert set(lost) == {200}
    assert len(desk.rows("SELECT FROM review_responses")) == 2


def test_a_server_that_is_busy_is_asked_again(site: Site, desk: Desk, items: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"])
    shows(page, items[0])
    answers = iter([503, 429, 408])
    page.route(API, lambda route: route.fulfill(status=status) if (status := next(answers, 0)) else route.continue_())
    page.keyboard.press("y")
    page.keyboard.press("n")
    shows(page, items[2])
    expect(page.get_by_text("2 decisions not yet sent")).to_be_visible()
    page.get_by_role("button", name="Try now").click()
    expect(page.get_by_text("not yet sent")).to_have_count(0)
    assert standing(desk) == {items[0]: "approve", items[1]: "reject"}
    assert all(trouble.endswith(": 503") for trouble in site.troubles)
    site.troubles.clear()


def test_who_is_signed_out_meanwhile_signs_in_and_loses_nothing(site: Site, desk: Desk, items: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"], who="cleo")
    shows(page, items[0])
    page.context.clear_cookies()
    page.keyboard.press("y")
    page.keyboard.press("n")
    expect(page.get_by_text("You are signed out. 2 decisions not yet sent")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("API key").fill(site.key(["review"], "cleo"))
    page.get_by_role("button", name="Sign in").click()
    shows(page, items[2])
    wait_until(lambda: standing(desk) == {items[0]: "approve", items[1]: "reject"})
