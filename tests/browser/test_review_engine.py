"""What every queue's page keeps: one can always go back, nobody overwrites anybody, and each key does one thing."""

import pytest
from playwright.sync_api import expect

from tests.shared.pipelines.dedup.desk import Desk
from tests.support.browser import Site, SiteProcess, accessible, shots
from tests.support.review_pages import PATH, empty_desk, put_pairs, shown, shows, standing
from tests.support.waiting import wait_until


@pytest.fixture
def desk(site_process: SiteProcess) -> Desk:
    return empty_desk(site_process.database)


@pytest.fixture
def items(desk: Desk) -> list[str]:
    """Twelve pairs that wait, in the order in which they come."""
    return put_pairs(desk)


def test_undo_goes_back_with_what_was_said_and_undoes_it_on_the_server(
    site: Site, desk: Desk, items: list[str]
) -> None:
    page = site.visit(PATH, scopes=["review"])
    shows(page, items[0])
    for key in "yny":
        page.keyboard.press(key)
    wait_until(lambda: len(standing(desk)) == 3)
    page.keyboard.press("u")
    shows(page, items[2])
    expect(shown(page).locator(".was")).to_contain_text("The same")
    page.keyboard.press("u")
    shows(page, items[1])
    expect(shown(page).locator(".was")).to_contain_text("Different")
    wait_until(lambda: standing(desk) == {items[0]: "approve"})
    page.keyboard.press("y")
    shows(page, items[2])
    page.keyboard.press("n")
    shows(page, items[3])
    wait_until(lambda: standing(desk) == {items[0]: "approve", items[1]: "approve", items[2]: "reject"})
    page.reload()  # what was done is known after that too
    shows(page, items[3])
    page.keyboard.press("u")
    shows(page, items[2])
    wait_until(lambda: standing(desk) == {items[0]: "approve", items[1]: "approve"})


def test_scores_are_shown_only_when_asked_for_which_is_written_down(site: Site, desk: Desk, items: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"], who="ada")
    shows(page, items[0])
    assert "0.86" not in page.content()
    page.keyboard.press("r")
    expect(shown(page).locator(".revealed")).to_contain_text("Similarity mean")
    expect(shown(page).locator(".revealed")).to_contain_text("statement 2")  # not its id
    assert desk.rows("SELECT item_id, reviewer FROM review_reveals") == [(items[0], "ada")]
    accessible(page)
    shots(page, "review-revealed")
    page.keyboard.press("y")
    page.keyboard.press("y")
    wait_until(lambda: len(standing(desk)) == 2)
    found = desk.rows("SELECT item_id FROM review_responses WHERE NOT blind")
    assert found == [(items[0],)]


def test_skipped_items_come_back_last_and_undo_brings_one_back(site: Site, desk: Desk, items: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"])
    shows(page, items[0])
    page.keyboard.press("s")
    shows(page, items[1])
    wait_until(lambda: desk.rows("SELECT item_id FROM review_skips") == [(items[0],)])
    page.keyboard.press("u")
    shows(page, items[0])
    wait_until(lambda: desk.rows("SELECT item_id FROM review_skips") == [])
    page.keyboard.press("s")
    for item in items[1:]:
        shows(page, item)
        page.keyboard.press("y")
    shows(page, items[0])  # nothing else waits
    page.keyboard.press("n")
    expect(page.get_by_text("Nothing waits here")).to_be_visible()
    wait_until(lambda: len(standing(desk)) == 12)


def test_what_needs_rework_waits_for_nobody_until_it_is_put_back(site: Site, desk: Desk, items: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"], who="ada")
    shows(page, items[0])
    page.keyboard.press("w")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Say what must be put right.")).to_be_visible()
    page.keyboard.type("uswr? <b>not</b> keys")  # while one writes, letters are letters
    page.keyboard.press("Control+Enter")
    shows(page, items[1])
    wait_until(lambda: len(desk.rows("SELECT FROM review_reworks WHERE put_back_at IS NULL")) == 1)
    other = site.visit("/review", scopes=["review"], who="bo")
    expect(other.get_by_role("row")).to_contain_text(["Queue", "uswr? <b>not</b> keys"])
    accessible(other)
    shots(other, "review")
    other.get_by_role("button", name="Put back").click()
    expect(other.get_by_role("status")).to_have_text("It is back in its queue.")
    assert items[0] in [item.id for item in desk.waiting(by="bo")]


def test_taken_for_oneself_it_is_hidden_from_others(site: Site, desk: Desk, items: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"], who="ada")
    shows(page, items[0])
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Open for all")).to_be_visible()
    assert items[0] not in [item.id for item in desk.waiting(by="bo")]
    page.get_by_role("button", name="Open for all").click()
    expect(page.get_by_role("button", name="Take for me")).to_be_visible()
    assert items[0] in [item.id for item in desk.waiting(by="bo")]


def test_the_next_ones_are_taken_or_assigned_to_somebody(site: Site, desk: Desk, items: list[str]) -> None:
    site.key(["review"], "bo")
    page = site.visit("/review", who="boss")
    page.get_by_text("Assign items of dedup clusters").click()
    page.get_by_label("The next").first.fill("many")
    page.get_by_role("button", name="Assign", exact=True).first.click()
    expect(page.get_by_text("This is no number of items")).to_be_visible()
    expect(page.get_by_label("The next").first).to_have_value("many")
    accessible(page)
    shots(page, "review-assigning")
    for count, to, told in (("2", "bo", "2 items are for bo alone now."), ("3", "", "3 items are for boss alone now.")):
        details = page.locator("details").first
        if details.get_attribute("open") is None:
            details.locator("summary").click()
        page.get_by_label("The next").first.fill(count)
        page.get_by_label("to", exact=True).first.fill(to)
        page.get_by_role("button", name="Assign", exact=True).first.click()
        expect(page.get_by_role("status")).to_have_text(told)
    assert [item.id for item in desk.waiting(2, by="bo")] == items[:2]
    assert [item.id for item in desk.waiting(12, by="cleo")] == items[5:]
    expect(page.get_by_text("2 assigned to others.")).to_be_visible()
    page.locator("details summary").first.click()
    page.get_by_role("button", name="Open my 3 for all").click()
    expect(page.get_by_role("status")).to_have_text("3 items are open for all again.")
    assert [item.id for item in desk.waiting(12, by="cleo")] == items[2:]


def test_two_people_at_once_overwrite_nothing(site: Site, desk: Desk, items: list[str]) -> None:
    pages = [site.visit(PATH, scopes=["review"], who=who) for who in ("ada", "bo")]
    for page, key in zip(pages, "yn", strict=True):
        shows(page, items[0])
        page.keyboard.press(key)
        shows(page, items[1])
    wait_until(lambda: len(desk.rows("SELECT FROM review_responses WHERE retracted_at IS NULL")) == 2)
    found = desk.rows("SELECT reviewer, decision ->> 'decision' FROM review_responses ORDER BY 1")
    assert found == [("ada", "approve"), ("bo", "reject")]


def test_keys_can_be_switched_off_and_a_key_held_down_acts_once(site: Site, desk: Desk, items: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"])
    shows(page, items[0])
    page.keyboard.down("y")
    page.keyboard.down("y")  # as a key repeats that is held
    page.keyboard.up("y")
    shows(page, items[1])
    page.keyboard.press("?")
    page.get_by_label("Single keys act").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("y")
    shows(page, items[1])
    page.keyboard.press("ArrowDown")
    expect(shown(page).get_by_role("button", name="The same")).to_be_focused()
    page.keyboard.press("Enter")  # what has the focus is pressed
    shows(page, items[2])
    wait_until(lambda: len(standing(desk)) == 2)


def test_the_page_works_without_script(site: Site, desk: Desk, items: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"], java_script_enabled=False)
    shows(page, items[0])
    shown(page).get_by_role("button", name="The same").click()
    expect(page.get_by_role("status").first).to_have_text("Your decision is stored.")
    shows(page, items[1])
    page.get_by_role("button", name="Reveal the scores").click()
    expect(shown(page).locator(".revealed")).to_contain_text("Similarity mean")
    page.get_by_role("button", name="Skip").click()
    shows(page, items[2])
    page.get_by_role("button", name="Needs rework").click()
    expect(shown(page).get_by_role("alert")).not_to_be_empty()
    page.get_by_role("textbox", name="What needs rework").fill("Another language.")
    page.get_by_role("button", name="Needs rework").click()
    shows(page, items[3])
    assert standing(desk) == {items[0]: "approve"}


def test_pages_are_for_those_who_review(site: Site) -> None:
    for path in ("/review", PATH, f"{PATH}/items"):
        page = site.visit(path, scopes=["submit"], who="sam")
        expect(page.get_by_role("heading", name="Forbidden")).to_be_visible()
    page = site.visit("/review/dedup/nothing", scopes=["review"])
    expect(page.get_by_role("heading", name="Not Found")).to_be_visible()
