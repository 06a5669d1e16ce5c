"""How hard is this query? Labels with the keyboard alone, and what the router had said when one asks or has decided."""

from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Site, accessible, shots
from tests.support.waiting import wait_until
from tests.support.waiting_items import put_answer

PATH: Final = "/review/router/labels"
KEYS: Final = {"1": "EASY", "2": "MEDIUM", "3": "HARD"}
HOSTILE: Final = "<img src=x onerror=alert(1)></blockquote><script>alert(2)</script>{{ 7 * 7 }}\u202eabc"
LONG: Final = "Explain each step of the proof, and what would break without it. " * 60
QUERIES: Final = (
    "What is the capital of France?",
    "Prove that the square root of 2 is irrational.",
    "A train leaves at 9:40 and arrives at 13:05. How long does it travel, and how fast is it over 310 km?",
)


@pytest.fixture
def queries(site: Site) -> list[str]:
    """Twenty-four queries, the least sure first; none has a label yet."""
    with site.database.transaction() as conn:
        conn.execute("TRUNCATE review_responses, review_reveals, review_skips, ml_data, query_words, queries CASCADE")
        conn.execute("DELETE FROM predictions")
        return [
            put_answer(conn, number, "EASY", 0.3 + number / 50, query=f"{QUERIES[number % 3]} ({number})")
            for number in range(24)
        ]


def _labels(site: Site) -> dict[str, str]:
    with site.database.reading() as conn:
        return dict(conn.execute("SELECT query_id, label FROM ml_data").fetchall())


def _query(page: Page) -> Any:
    return page.locator("article:not([hidden]) .query")


def test_twenty_queries_are_labelled_with_the_keyboard_alone(site: Site, queries: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"])
    given = {}
    for number, query_id in enumerate(queries[:20]):
        expect(_query(page)).to_have_text(f"{QUERIES[number % 3]} ({number})")
        key = str(number % 3 + 1)
        page.keyboard.press(key)
        given[query_id] = KEYS[key]
    wait_until(lambda: _labels(site) == given)
    expect(page.locator("#told-last")).to_have_text("The router had said EASY, 68% sure.")


def test_undo_brings_the_query_back_and_leaves_no_label(site: Site, queries: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"])
    expect(_query(page)).to_contain_text("(0)")
    page.keyboard.press("3")
    wait_until(lambda: _labels(site) == {queries[0]: "HARD"})
    page.keyboard.press("u")
    expect(_query(page)).to_contain_text("(0)")
    wait_until(lambda: _labels(site) == {})
    page.keyboard.press("2")
    wait_until(lambda: _labels(site) == {queries[0]: "MEDIUM"})


def test_correct_or_override_after_a_reveal_that_is_written_down(site: Site, queries: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"], who="ada")
    article = page.locator("article:not([hidden])")
    expect(article.locator(".answered")).to_be_hidden()
    page.keyboard.press("c")  # nothing to call correct yet
    expect(_query(page)).to_contain_text("(0)")
    page.keyboard.press("r")
    expect(article.locator(".answered")).to_contain_text("The router said EASY with a confidence of 0.3")
    page.keyboard.press("c")
    wait_until(lambda: _labels(site) == {queries[0]: "EASY"})
    page.keyboard.press("r")
    expect(article.locator(".answered")).to_be_visible()
    page.keyboard.press("3")
    wait_until(lambda: _labels(site) == {queries[0]: "EASY", queries[1]: "HARD"})
    with site.database.reading() as conn:
        revealed = conn.execute("SELECT item_id, reviewer FROM review_reveals ORDER BY item_id").fetchall()
        blind = conn.execute("SELECT blind FROM review_responses").fetchall()
    assert revealed == [(queries[0], "ada"), (queries[1], "ada")]
    assert blind == [(False,), (False,)]


def test_of_two_people_at_once_the_first_decides_and_the_second_is_told(site: Site, queries: list[str]) -> None:
    first, second = (site.visit(PATH, scopes=["review"], who=who) for who in ("ada", "bo"))
    for page in (first, second):
        expect(_query(page)).to_contain_text("(0)")
    first.keyboard.press("1")
    wait_until(lambda: _labels(site) == {queries[0]: "EASY"})
    second.keyboard.press("3")
    expect(second.get_by_text("Somebody else decided on an item before you")).to_be_visible()
    assert _labels(site) == {queries[0]: "EASY"}
    expect(_query(second)).to_contain_text("(1)")


def test_nothing_can_be_called_correct_where_the_router_was_not_sure(site: Site, queries: list[str]) -> None:
    with site.database.transaction() as conn:
        put_answer(conn, 99, "UNCERTAIN", 0.0, "fallback", query="Is it?")
    page = site.visit(PATH, scopes=["review"])
    expect(_query(page)).to_have_text("Is it?")
    page.keyboard.press("r")
    expect(page.locator("article:not([hidden]) .answered")).to_contain_text("UNCERTAIN")
    expect(page.get_by_role("button", name="Correct")).to_be_hidden()
    assert len(queries) == 24


def test_the_page_is_for_everybody_and_hostile_queries_are_text(site: Site, queries: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"])
    expect(_query(page)).to_be_visible()
    accessible(page)
    shots(page, "review-router-labels")
    page.keyboard.press("r")
    expect(page.locator("article:not([hidden]) .answered")).to_be_visible()
    accessible(page)
    shots(page, "review-router-labels-revealed")
    with site.database.transaction() as conn:
        put_answer(conn, 98, "HARD", 0.01, query=LONG.strip())
        put_answer(conn, 99, "HARD", 0.0, query=HOSTILE)
    page.reload()
    expect(_query(page)).to_have_text(HOSTILE)
    page.keyboard.press("1")
    expect(_query(page)).to_have_class("quote query long")
    accessible(page)
    shots(page, "review-router-labels-long")
    assert len(queries) == 24
