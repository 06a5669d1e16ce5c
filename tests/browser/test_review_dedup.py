"""Dedup's queues in a browser: clusters and merges by the keyboard alone, differences marked, hostile statements."""

from typing import Final

import pytest
from playwright.sync_api import expect

from shared.pipelines.dedup.contracts import insight_id
from tests.shared.pipelines.dedup.desk import Desk
from tests.support.browser import Site, SiteProcess, accessible, shots
from tests.support.review_pages import PATH, empty_desk, shown
from tests.support.waiting import wait_until

MANY: Final = 20
HOSTILE: Final = "<img src=x onerror=alert(1)></article><script>alert(2)</script>{{ 7 * 7 }} ${1} \u202eabc"


@pytest.fixture
def desk(site_process: SiteProcess) -> Desk:
    return empty_desk(site_process.database)


def _trios(desk: Desk, count: int) -> list[str]:
    """Clusters of three, in the order in which they come."""
    for number in range(count):
        desk.cluster(
            f"Reports by mail suit team {number}.", f"Reports on paper suit team {number}.",
            f"Team {number} wants no reports.", similarity=0.9,
        )  # fmt: skip
    return [item.id for item in desk.waiting(count, by="tester")]


def test_twenty_clusters_are_decided_with_the_keyboard_alone(site: Site, desk: Desk) -> None:
    clusters = _trios(desk, MANY + 2)
    page = site.visit(PATH, scopes=["review"])
    expected = {}
    for number in range(MANY):
        item = str(shown(page).get_attribute("data-item"))
        for key in (["y"], ["n"], ["1", "2", "Enter"])[number % 3]:
            page.keyboard.press(key)
        expect(shown(page)).not_to_have_attribute("data-item", item)
        expected[item] = ("approve", "reject", "partial")[number % 3]
    wait_until(lambda: len(desk.rows("SELECT FROM review_responses")) == MANY)
    found = dict(desk.rows("SELECT item_id, decision ->> 'decision' FROM review_responses"))
    assert found == expected
    assert set(expected) <= set(clusters)
    assert len(desk.rows("SELECT FROM review_responses WHERE jsonb_array_length(decision -> 'seen') = 3")) == MANY
    subsets = desk.rows("SELECT decision -> 'subset' FROM review_responses WHERE decision ->> 'decision' = 'partial'")
    assert all(len(subset) == 2 for (subset,) in subsets)


def test_too_few_or_all_are_no_subset(site: Site, desk: Desk) -> None:
    _trios(desk, 1)
    page = site.visit(PATH, scopes=["review"])
    only = shown(page).get_by_role("button", name="Only the chosen")
    for keys in ("1", "23"):
        for key in keys:
            page.keyboard.press(key)
        expect(only).to_have_attribute("aria-disabled", "true")
        page.keyboard.press("Enter")
        expect(page.locator("#told-last")).to_contain_text("Choose 2 to 2")
    page.keyboard.press("2")
    expect(only).to_have_attribute("aria-disabled", "false")
    page.keyboard.press("Enter")
    wait_until(lambda: len(desk.labels()) == 3)


def test_differences_are_marked_and_hostile_texts_stay_texts(site: Site, desk: Desk) -> None:
    desk.cluster("Sales rose in May.", "Sales fell in May.", similarity=0.86)
    desk.cluster(HOSTILE, f"{HOSTILE} again", similarity=0.99)
    page = site.visit(PATH, scopes=["review"])
    expect(shown(page).locator("mark")).to_have_text(["fell", "rose"], use_inner_text=True)
    page.keyboard.press("n")
    expect(shown(page).locator(".statement").first).to_contain_text("<script>alert(2)</script>{{ 7 * 7 }}")
    assert page.locator("article img").count() == 0


def test_a_cluster_that_changed_meanwhile_comes_again(site: Site, desk: Desk) -> None:
    first, second = _trios(desk, 2)
    page = site.visit(PATH, scopes=["review"])
    expect(shown(page)).to_have_attribute("data-item", first)
    desk.change("INSERT INTO cluster_members VALUES (%s, %s)", first, desk.insight("A fourth voice."))
    page.keyboard.press("y")
    expect(page.locator("#trouble")).to_contain_text("the item comes again")
    assert desk.rows("SELECT FROM review_responses") == []
    expect(shown(page)).to_have_attribute("data-item", second)
    page.keyboard.press("n")
    expect(shown(page)).to_have_attribute("data-item", first)
    expect(shown(page)).to_contain_text("A fourth voice.")
    page.keyboard.press("y")
    wait_until(lambda: len(desk.rows("SELECT FROM review_responses")) == 2)


def test_twenty_merges_are_kept_or_parted_with_the_keyboard_alone(site: Site, desk: Desk) -> None:
    kept = desk.insight("Young teams prefer chat.")
    for number in range(MANY):
        merged = insight_id(f"Young teams like chat best ({number}).")
        desk.change(
            "INSERT INTO merged_statements (id, insight_id, statement, embedding, embedding_model, confidence)"
            " VALUES (%s, %s, %s, '[1,0]', 'made@1', %s)",
            merged, kept, f"Young teams like chat best ({number}).", 0.91 + number / 100,
        )  # fmt: skip
    page = site.visit("/review/dedup/merges", scopes=["review"])
    expect(shown(page)).to_contain_text("Came in")
    accessible(page)
    shots(page, "review-dedup-merges")
    for number in range(MANY):
        expect(shown(page)).to_contain_text(f"({number})")  # the least sure first
        page.keyboard.press("yn"[number % 2])
    wait_until(lambda: len(desk.rows("SELECT FROM review_responses WHERE kind = 'merges'")) == MANY)
    assert sorted(desk.labels().values()) == ["merge"] * 10 + ["separate"] * 10


def test_the_page_is_for_everybody(site: Site, desk: Desk) -> None:
    _trios(desk, 3)
    page = site.visit(PATH, scopes=["review"])
    page.keyboard.press("1")
    accessible(page)
    shots(page, "review-dedup-clusters")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Only the chosen")
    accessible(page)
    page.keyboard.press("Escape")
    page.keyboard.press("w")
    expect(page.get_by_role("dialog")).to_be_visible()
    accessible(page)
