"""Disagreements: queries and pictures of which opinions are apart, the worst first, decided with the keyboard alone."""

from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from shared.loop import review
from shared.pipelines.images import PIPELINE as IMAGES
from shared.pipelines.router import PIPELINE as ROUTER
from tests.support.browser import Site, accessible, shots
from tests.support.waiting import wait_until
from tests.support.waiting_items import put_answer, put_pictures, put_scores

MANY: Final = 20
EMPTY: Final = "TRUNCATE review_responses, review_reveals, ml_data, query_words, queries, ratings, image_scores CASCADE"


@pytest.fixture
def queries(site: Site) -> list[str]:
    """Queries that ada labelled otherwise than the router had answered, the surest answer first."""
    with site.database.transaction() as conn:
        conn.execute(EMPTY)
        conn.execute("DELETE FROM predictions")
        found = [put_answer(conn, number, "EASY", 0.99 - number / 200) for number in range(MANY + 1)]
        for query_id in found:
            review.decide(conn, ROUTER, "labels", query_id, reviewer="ada", decision={"label": "HARD"})
    return found


@pytest.fixture
def pictures(site: Site) -> list[str]:
    """Pictures that ada found bad and a model good, the farthest apart first."""
    with site.database.transaction() as conn:
        conn.execute(EMPTY)
        conn.execute("DELETE FROM images")
    found = [frame.id for frame in put_pictures(site.database, site.processes, webcams=3, frames=7)]
    with site.database.transaction() as conn:
        put_scores(conn, [(image, 0.99 - number / 100) for number, image in enumerate(found)])
        for image in found:
            review.decide(conn, IMAGES, "ratings", image, reviewer="ada", decision={"stars": 1})
    return found


def _rows(site: Site, query: bytes) -> list[tuple[Any, ...]]:
    with site.database.reading() as conn:
        return conn.execute(query).fetchall()


def _shown(page: Page) -> Any:
    return page.locator("article:not([hidden])")


def test_a_second_person_decides_on_twenty_queries(site: Site, queries: list[str]) -> None:
    page = site.visit("/review/router/disagreements", scopes=["review"], who="bo")
    for query_id in queries[:MANY]:
        expect(_shown(page)).to_have_attribute("data-item", query_id)
        expect(_shown(page)).not_to_contain_text("HARD")  # neither label nor answer
        page.keyboard.press("2")
    wait_until(lambda: len(_rows(site, b"SELECT FROM ml_data WHERE labelled_by = 'bo' AND label = 'MEDIUM'")) == MANY)
    expect(page.locator("#told-last")).to_contain_text("The first label was HARD.")
    mine = site.visit("/review/router/disagreements", scopes=["review"], who="ada")
    expect(mine.get_by_text("Nothing waits here")).to_be_visible()


def test_the_page_of_queries_is_for_everybody(site: Site, queries: list[str]) -> None:
    page = site.visit("/review/router/disagreements", scopes=["review"], who="bo")
    expect(_shown(page)).to_have_attribute("data-item", queries[0])
    page.keyboard.press("r")
    expect(_shown(page).locator(".revealed")).to_contain_text("Severity")
    accessible(page)
    shots(page, "review-router-disagreements")


def test_twenty_pictures_are_looked_at_again_the_worst_first(site: Site, pictures: list[str]) -> None:
    page = site.visit("/review/images/disagreements", scopes=["review"], who="bo")
    for image in pictures[:MANY]:
        expect(_shown(page)).to_have_attribute("data-item", image)
        expect(_shown(page).locator(".revealed")).to_be_hidden()
        page.keyboard.press("4")
    wait_until(lambda: len(_rows(site, b"SELECT FROM ratings WHERE rater = 'bo' AND stars = 4")) == MANY)
    assert len(_rows(site, b"SELECT FROM images WHERE looked_again")) == MANY
    page.keyboard.press("u")
    wait_until(lambda: len(_rows(site, b"SELECT FROM ratings WHERE rater = 'bo'")) == MANY - 1)
    expect(_shown(page)).to_have_attribute("data-item", pictures[MANY - 1])


def test_the_page_of_pictures_is_for_everybody(site: Site, pictures: list[str]) -> None:
    page = site.visit("/review/images/disagreements", scopes=["review"], who="ada")  # blind to what she said herself
    expect(_shown(page)).to_have_attribute("data-item", pictures[0])
    accessible(page)
    shots(page, "review-images-disagreements")
    page.keyboard.press("r")
    expect(_shown(page).locator(".revealed")).to_contain_text("Severity")
    accessible(page)
