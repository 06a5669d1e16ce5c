"""The stages' queue in a browser: approve, rewrite and reject by the keyboard alone, and the page's look."""

from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, expect

from shared.db import stages
from shared.db.stages import NewRow
from shared.pipelines.stages.contracts import as_json, row_id
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.review import ROWS
from shared.pipelines.stages.versions import STAGES, Stage
from tests.shared.pipelines.stages.made import pack, values_of
from tests.support.browser import Site, SiteProcess, accessible, shots
from tests.support.waiting import wait_until

QUEUE: Final = f"/review/stages/{ROWS}"
HOSTILE: Final = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture(autouse=True)
def _rows(site_process: SiteProcess) -> None:
    """Twenty-five rows wait, five of each stage."""
    rows = [_row(number, stage) for number in range(5) for stage in STAGES]
    with site_process.database.transaction() as conn:
        conn.execute("TRUNCATE review_responses, review_reveals, review_skips, stage_rows CASCADE")
        stages.put_rows(conn, rows, "import")


def _row(number: int, stage: Stage) -> NewRow:
    one = pack(number)
    value = values_of(one)[stage]
    output = deterministic(value)
    return NewRow(
        id=row_id(stage, value, output), stage=stage, industry=one.industry, group_key=one.business,
        input=as_json(value), output=as_json(output), answered_by="rules", pack="p-1",
    )  # fmt: skip


def _decided(site: Site) -> dict[str, tuple[Any, ...]]:
    with site.database.reading() as conn:
        found = conn.execute(
            "SELECT id, approved, note, industry, edited_from, output FROM stage_rows WHERE approved IS NOT NULL"
        )
        return {row[0]: row[1:] for row in found}


def _of(site: Site, stage: Stage) -> str:
    with site.database.reading() as conn:
        ((found,),) = conn.execute("SELECT min(id) FROM stage_rows WHERE stage = %s", [stage]).fetchall()
    return str(found)


def _article(page: Page) -> Locator:
    return page.locator("#deck article:not([hidden])")


def _next(page: Page, before: str = "") -> str:
    """Return the item that is shown, once it is another one."""
    if before:
        expect(_article(page)).not_to_have_attribute("data-item", before)
    return _article(page).get_attribute("data-item") or ""


def test_twenty_are_decided_by_the_keyboard_alone(site: Site) -> None:
    page = site.visit(QUEUE, scopes=["review"], who="ada")
    item, said = _next(page), {}
    for number in range(20):
        said[item] = number % 4
        _decide(page, number % 4, number)
        item = _next(page, item)
    wait_until(lambda: len(_decided(site)) == 25)  # five of them are rewritten ones
    decided = _decided(site)
    by_way = {way: [decided[row] for row in said if said[row] == way] for way in range(4)}
    assert {row[:2] for row in by_way[0]} == {(True, "approved in a review, without a note"), (True, "Well said.")}
    assert {row[:2] for row in by_way[1]} == {(False, "It misreads the figures.")}
    assert sorted(row[1] for row in by_way[2]) == sorted(f"Wrong in case {number}." for number in range(2, 20, 4))
    assert all(not row[0] and row[1].startswith("an edited row took its place: ") for row in by_way[3])
    rewritten = [row for row in decided.values() if row[3]]
    assert {row[3] for row in rewritten} == {row for row in said if said[row] == 3}
    assert {row[0] for row in rewritten} == {True}
    assert all("Rewritten in case" in str(row[4]) for row in rewritten)


def _decide(page: Page, way: int, number: int) -> None:
    """Approve, reject for a usual reason, reject with words of one's own, or rewrite."""
    if way == 0:
        if number == 4:
            page.keyboard.press("m")
            page.keyboard.type("Well said.")
            page.keyboard.press("Escape")
        page.keyboard.press("y")
    elif way == 1:
        page.keyboard.press("2")
    elif way == 2:
        page.keyboard.press("n")
        expect(_article(page).get_by_label("Note")).to_be_focused()
        page.keyboard.type(f"Wrong in case {number}.")
        page.keyboard.press("Enter")
    else:
        page.keyboard.press("e")
        sentence = _article(page).locator(".sentence textarea:visible").first
        for _ in range(4):
            if sentence.evaluate("(field) => field === document.activeElement"):
                break
            page.keyboard.press("Tab")
        expect(sentence).to_be_focused()
        page.keyboard.press("Control+A")
        page.keyboard.type(f"Rewritten in case {number}.")
        page.keyboard.press("Control+Enter")
        expect(_article(page).get_by_label("Note")).to_be_focused()
        page.keyboard.type("Better so.")
        page.keyboard.press("Enter")


def test_rules_are_told_beside_the_field_while_one_rewrites(site: Site) -> None:
    item = _of(site, "quant_signals")
    page = site.visit(f"{QUEUE}?item={item}", scopes=["review"])
    page.keyboard.press("e")
    article = page.locator(f"#{item}")
    expect(article.get_by_label("Name").first).to_be_focused()
    article.get_by_label("Summary").fill("Watch the KPI.")
    expect(article.locator('[data-fault="output.summary"]')).to_have_text("Has the forbidden term “kpi”")
    evidence = article.locator(".rewrite").get_by_label("Evidence").first
    evidence.fill("money.made_up=1")
    fault = article.locator('[data-fault="output.signals.0.evidence"]')
    expect(fault).to_have_text("Is no entry that the input has")
    accessible(page)
    evidence.fill("")
    article.locator('[data-entry^="company.season="]').click()
    expect(evidence).to_have_value("company.season=quiet")
    expect(fault).to_be_empty()
    page.keyboard.press("Control+Enter")
    expect(article.locator('[data-fault="note"]')).to_have_text("Is missing: say why")
    assert _decided(site) == {}


def test_an_undo_takes_back_both_rows_and_nothing_hostile_runs(site: Site) -> None:
    item = _of(site, "blue_ocean")
    page = site.visit(f"{QUEUE}?item={item}", scopes=["review"])
    page.keyboard.press("e")
    _article(page).get_by_label("Summary").fill(HOSTILE)
    _article(page).get_by_label("Note").fill(HOSTILE)
    page.keyboard.press("Enter")
    wait_until(lambda: len(_decided(site)) == 2)
    (edited,) = _decided(site).keys() - {item}
    page.goto(f"{QUEUE}?item={edited}")
    expect(_article(page).locator(".answer")).to_contain_text(HOSTILE)
    assert page.locator("img[src=x]").count() == 0
    page.keyboard.press("u")
    expect(_article(page)).to_have_attribute("data-item", item)
    wait_until(lambda: _decided(site) == {})
    with site.database.reading() as conn:
        assert conn.execute("SELECT count(*) FROM stage_rows").fetchone() == (25,)


def test_who_answered_is_shown_only_when_asked_for(site: Site) -> None:
    with site.database.transaction() as conn:  # another answer than that of the rules: both are shown
        conn.execute("UPDATE stage_rows SET output = output || '{\"confidence\": \"low\"}' WHERE output ? 'moves'")
    page = site.visit(f"{QUEUE}?item={_of(site, 'blue_ocean')}", scopes=["review"], who="ada")
    item = _next(page)
    assert "p-1" not in page.content()
    page.keyboard.press("r")
    expect(page.locator(f"#{item} .revealed")).to_contain_text("p-1")
    with site.database.reading() as conn:
        assert conn.execute("SELECT item_id, reviewer FROM review_reveals").fetchall() == [(item, "ada")]
    shots(page, "review-stages-revealed")


def test_who_comes_second_is_told_and_overwrites_nothing(site: Site) -> None:
    ada, bo = (site.visit(QUEUE, scopes=["review"], who=who) for who in ("ada", "bo"))
    item = _next(bo)
    ada.keyboard.press("y")
    wait_until(lambda: set(_decided(site)) == {item})
    bo.keyboard.press("1")
    expect(bo.get_by_text("Somebody else decided on an item before you")).to_be_visible()
    assert _decided(site)[item][0] is True


def test_without_script_a_row_can_be_rewritten_too(site: Site) -> None:
    item = _of(site, "competitive_lens")
    page = site.visit(f"{QUEUE}?item={item}", scopes=["review"], java_script_enabled=False)
    page.locator("summary").click()
    page.get_by_label("Summary").fill("Watch the KPI.")
    page.get_by_label("Note").fill("Better so.")
    page.get_by_role("button", name="Approve as rewritten").click()
    expect(page.locator('[data-fault="output.summary"]')).to_contain_text("forbidden term")
    expect(page.get_by_label("Summary")).to_have_value("Watch the KPI.")
    page.get_by_label("Summary").fill("Rewritten by hand.")
    page.get_by_role("button", name="Approve as rewritten").click()
    expect(page.get_by_role("status").first).to_contain_text("stored")
    assert sorted(row[0] for row in _decided(site).values()) == [False, True]


def test_how_it_looks(site: Site) -> None:
    page = site.visit("/review", scopes=["review"])
    looked_at: tuple[Stage, ...] = ("emyth_owner_load", "synthesis_decision")
    for stage in looked_at:
        page.goto(f"{QUEUE}?item={_of(site, stage)}")
        expect(page.get_by_role("button", name="Approve as rewritten")).to_be_hidden()
        accessible(page)
        shots(page, f"review-stages-{stage}")
    page.keyboard.press("e")
    accessible(page)
    shots(page, "review-stages-rewriting")
