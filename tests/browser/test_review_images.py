"""Pictures in a browser: rate twenty with the keyboard alone, in stars or as good and bad; scores stay hidden."""

from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from shared.pipelines.images.policy import policy
from tests.support.browser import Site, SiteProcess, accessible, on_a_phone, shots
from tests.support.waiting import wait_until
from tests.support.waiting_items import put_pictures, put_scores

PATH: Final = "/review/images/ratings"
MANY: Final = 20


@pytest.fixture(scope="module", autouse=True)
def _pictures(site_process: SiteProcess) -> None:
    frames = put_pictures(site_process.database, site_process.processes, webcams=3, frames=8)
    with site_process.database.transaction() as conn:
        put_scores(conn, [(frame.id, 0.3 + number / 100) for number, frame in enumerate(frames)])
        conn.execute("UPDATE webcams SET name = '<script>alert(1)</script>' WHERE id = %s", [f"cam_{frames[0].webcam}"])


@pytest.fixture(autouse=True)
def _nothing_said(site_process: SiteProcess) -> None:
    with site_process.database.transaction() as conn:
        conn.execute("TRUNCATE review_responses, review_reveals, ratings CASCADE")
        conn.execute("SELECT weigh_images(array_agg(id)) FROM images")


def _rows(site: Site, query: bytes) -> list[tuple[Any, ...]]:
    with site.database.reading() as conn:
        return conn.execute(query).fetchall()


def _shown(page: Page) -> Any:
    return page.locator("#deck article:not([hidden])")


def test_twenty_pictures_are_rated_with_the_keyboard_alone(site: Site) -> None:
    page = site.visit(PATH, scopes=["review"], who="ada")
    given = {}
    for number in range(MANY):
        item = str(_shown(page).get_attribute("data-item"))
        expect(_shown(page).locator("img")).to_have_js_property("complete", value=True)
        page.keyboard.press(str(number % 5 + 1))
        expect(_shown(page)).not_to_have_attribute("data-item", item)
        given[item] = number % 5 + 1
    wait_until(lambda: len(_rows(site, b"SELECT FROM ratings")) == MANY)
    assert dict(_rows(site, b"SELECT image_id, stars FROM ratings WHERE rater = 'ada'")) == given


def test_the_next_pictures_are_loaded_before_they_are_shown(site: Site) -> None:
    page = site.visit(PATH, scopes=["review"], who="ada")
    waiting = page.locator("#deck article[hidden] img")
    expect(waiting).to_have_count(4)
    loaded = "images => images.every((image) => image.complete && image.naturalWidth > 0)"
    wait_until(lambda: waiting.evaluate_all(loaded))


def test_good_and_bad_stand_for_stars_on_either_side_of_the_policys_line(site: Site) -> None:
    line = 1 + 4 * policy().binary_threshold
    page = site.visit(PATH, scopes=["review"], who="bo")
    page.keyboard.press("m")
    expect(_shown(page)).to_contain_text("Good is stored as 5 stars, bad as 1 star")
    accessible(page)
    shots(page, "review-images-binary")
    for key in "gb":
        item = str(_shown(page).get_attribute("data-item"))
        page.keyboard.press("5")  # stars are put away
        expect(_shown(page)).to_have_attribute("data-item", item)
        page.keyboard.press(key)
        expect(_shown(page)).not_to_have_attribute("data-item", item)
    wait_until(lambda: len(_rows(site, b"SELECT FROM ratings")) == 2)
    (bad,), (good,) = _rows(site, b"SELECT stars FROM ratings ORDER BY stars")
    assert bad < line <= good
    page.reload()  # the choice is this browser's
    expect(_shown(page).get_by_role("button", name="Good", exact=True)).to_be_visible()


def test_no_score_is_on_the_page_until_it_is_asked_for(site: Site) -> None:
    page = site.visit(PATH, scopes=["review"], who="cleo")
    expect(_shown(page)).to_be_visible()
    assert "ai_rating" not in page.content()
    page.keyboard.press("r")
    expect(_shown(page).locator(".revealed")).to_contain_text("Scores")
    assert _rows(site, b"SELECT reviewer FROM review_reveals") == [("cleo",)]


def test_the_page_is_for_everybody(site: Site) -> None:
    page = site.visit(PATH, scopes=["review"], who="ada")
    expect(_shown(page)).to_be_visible()
    accessible(page)
    shots(page, "review-images-ratings")
    on_a_phone(page, lambda: expect(_shown(page).get_by_role("button", name="5 stars")).to_be_in_viewport())
