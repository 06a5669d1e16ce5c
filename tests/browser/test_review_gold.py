"""Gold's queue in a browser: conclude by the keyboard alone, rules while typing, evidence, and the page's look."""

from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from shared.db import gold
from shared.db.gold import Example
from shared.pipelines.gold.contracts import Snapshot, example_id, parse_snapshot
from shared.pipelines.gold.review import CONCLUSIONS
from tests.support.browser import Site, SiteProcess, accessible, shots
from tests.support.waiting import wait_until

QUEUE: Final = f"/review/gold/{CONCLUSIONS}"
HOSTILE: Final = "<img src=x onerror=alert(1)><script>alert(2)</script>"
_EMPTY: Final = "TRUNCATE review_responses, review_reveals, review_skips, ml.examples, ml.gold CASCADE"


def _snapshot(number: int) -> dict[str, Any]:
    return {
        "window": {"from": "2026-01-19", "to": f"2026-02-{15 - number % 14:02}"},
        "signals": {
            "quotes": {
                "sent": {"count": 41 + number, "value_band": "50k-100k"},
                "approved": {"count": 9, "value_band": "5k-20k"},
                "changes_requested": {"count": 3},
                "waiting": {"count": 1_204, "value_band": "20k-50k", "over_14_days": 11},
                "won_band": "under-25",
            },
            "invoices": {
                "issued": {"count": 18, "value_band": "20k-50k"},
                "paid": {"count": 12, "value_band": "5k-20k", "days_to_paid_band": "31-60"},
                "overdue": {"count": 7, "balance_band": "5k-20k", "over_30_days": 5, "over_60_days": 2},
            },
            "jobs": {
                "created": {"count": 22},
                "closed": {"count": 17, "revenue_band": "20k-50k", "margin_band": "loss"},
                "late": {"count": 4},
                "not_invoiced": {"count": 6, "value_band": "1k-5k"},
            },
        },
    }


@pytest.fixture(autouse=True)
def _examples(site_process: SiteProcess) -> None:
    """Twenty-four snapshots wait."""
    snapshots = [parse_snapshot(_snapshot(number)) for number in range(24)]
    with site_process.database.transaction() as conn:
        conn.execute(_EMPTY)
        gold.put_examples(conn, [_example(snapshot) for snapshot in snapshots], "made")


def _example(snapshot: Snapshot) -> Example:
    return Example(
        id=example_id(snapshot), snapshot=snapshot.as_json(), group_key="g",
        window_from=snapshot.window.first, window_to=snapshot.window.last,
    )  # fmt: skip


def _said(site: Site) -> dict[str, tuple[Any, ...]]:
    """What stands as a conclusion, by example."""
    with site.database.reading() as conn:
        found = conn.execute("SELECT example_id, decision, boundary, confidence, evidence, labelled_by FROM ml.gold")
        return {row[0]: row[1:] for row in found}


def _shown(page: Page) -> str:
    """Return the item that is shown, with the focus where one writes."""
    article = page.locator("#deck article:not([hidden])")
    expect(article.locator("textarea").first).to_be_focused()
    return article.get_attribute("data-item") or ""


def _conclude(page: Page, decision: str, boundary: str = "Call nobody twice in a week.") -> str:
    """Write a decision and a boundary, leave the rest out, and go on, by the keyboard alone."""
    item = _shown(page)
    for text in (decision, boundary, "", ""):
        page.keyboard.type(text)
        page.keyboard.press("Enter")
    return item


def test_twenty_are_concluded_by_the_keyboard_alone(site: Site) -> None:
    page = site.visit(QUEUE, scopes=["review"], who="ada")
    done = []
    for number in range(20):
        before = _shown(page)
        if number == 3:  # another confidence, and one more signal as evidence
            page.keyboard.press("Escape")
            page.keyboard.press("3")
            page.keyboard.press("Escape")
            page.locator("#deck article:not([hidden])").focus()
            page.keyboard.press("ArrowDown")
            page.keyboard.press("Space")
            page.keyboard.press("d")
        done.append(_conclude(page, f"Call client {number} first."))
        expect(page.locator(f"#{before}")).not_to_be_visible()
    wait_until(lambda: len(_said(site)) == 20)
    assert len(set(done)) == 20
    said = _said(site)
    assert [said[item][0] for item in done] == [f"Call client {number} first." for number in range(20)]
    assert {said[item][4] for item in done} == {"ada"}
    assert [said[item][2] for item in done[2:5]] == ["medium", "high", "medium"]
    assert len(said[done[3]][3]) == len(said[done[2]][3]) + 1
    expect(page.locator('[data-pace="today"]')).to_have_text("20")


def test_rules_are_told_beside_the_field_while_one_writes(site: Site) -> None:
    page = site.visit(QUEUE, scopes=["review"])
    item = _shown(page)
    article = page.locator(f"#{item}")
    page.keyboard.type("Watch the KPI.")
    expect(article.locator('[data-fault="decision"]')).to_have_text("Decision has the forbidden term “kpi”")
    expect(article.locator('[data-fault="boundary"]')).to_be_empty()
    expect(article.get_by_label("Decision")).to_have_attribute("aria-invalid", "true")
    accessible(page)
    for _ in range(4):
        page.keyboard.press("Enter")
    expect(article.locator('[data-fault="boundary"]')).to_have_text("Boundary is missing")
    expect(article.get_by_label("Decision")).to_be_focused()
    page.keyboard.press("Control+A")
    assert _said(site) == {}
    _conclude(page, "Call those who owe.")
    wait_until(lambda: set(_said(site)) == {item})


def test_an_undo_brings_back_the_words_and_the_state_before(site: Site) -> None:
    page = site.visit(QUEUE, scopes=["review"])
    item = _conclude(page, HOSTILE)
    wait_until(lambda: set(_said(site)) == {item})
    assert _shown(page) != item
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    assert _shown(page) == item
    expect(page.locator(f"#{item}").get_by_label("Decision")).to_have_value(HOSTILE)
    wait_until(lambda: _said(site) == {})
    page.keyboard.press("Control+Enter")
    wait_until(lambda: set(_said(site)) == {item})
    assert _said(site)[item][0] == HOSTILE
    page.goto(f"{QUEUE}?item={item}")
    assert page.locator("img[src=x]").count() == 0


def test_what_rules_say_is_shown_only_when_asked_for(site: Site) -> None:
    page = site.visit(QUEUE, scopes=["review"], who="ada")
    item = _shown(page)
    rules = "Call every client whose invoice is over 30 days late"
    assert rules not in page.content()
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    expect(page.locator(f"#{item} .revealed")).to_contain_text(rules)
    with site.database.reading() as conn:
        assert conn.execute("SELECT item_id, reviewer FROM review_reveals").fetchall() == [(item, "ada")]
    accessible(page)
    shots(page, "review-gold-revealed")


def test_who_comes_second_is_told_and_overwrites_nothing(site: Site) -> None:
    ada, bo = (site.visit(QUEUE, scopes=["review"], who=who) for who in ("ada", "bo"))
    item = _shown(bo)
    assert _conclude(ada, "Ada was first.") == item
    wait_until(lambda: set(_said(site)) == {item})
    _conclude(bo, "Bo comes second.")
    expect(bo.get_by_text("Somebody else decided on an item before you")).to_be_visible()
    assert _said(site)[item][::4] == ("Ada was first.", "ada")
    assert _shown(bo) != item


def test_without_script_the_form_comes_back_with_what_was_written(site: Site) -> None:
    page = site.visit(QUEUE, scopes=["review"], java_script_enabled=False)
    article = page.locator("#deck article")
    item = article.get_attribute("data-item")
    chosen = article.locator("input[type=checkbox]:checked")
    before = chosen.count()
    chosen.first.uncheck()
    page.get_by_label("Decision").fill("Watch the KPI.")
    page.get_by_label("High").check()
    page.get_by_role("button", name="Conclude").click()
    expect(article.locator('[data-fault="decision"]')).to_contain_text("forbidden term", ignore_case=True)
    expect(page.get_by_label("Decision")).to_have_value("Watch the KPI.")
    expect(page.get_by_label("High")).to_be_checked()
    assert chosen.count() == before - 1
    page.get_by_label("Decision").fill("Call those who owe.")
    page.get_by_label("Boundary").fill("Nobody twice.")
    page.get_by_role("button", name="Conclude").click()
    expect(page.get_by_role("status").first).to_contain_text("stored")
    assert len(_said(site)[item or ""][3]) == before - 1


def test_how_it_looks(site: Site) -> None:
    page = site.visit(QUEUE, scopes=["review"])
    _shown(page)
    accessible(page)
    shots(page, "review-gold")
