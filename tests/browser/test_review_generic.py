"""A pipeline that no template knows is reviewed all the same: a form from its decision's schema, faults while typing.

Its grades are one truth: of two people at once one is told that the other was first.
"""

from collections.abc import Mapping
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.api.review.test_decisions import CASES
from tests.support.browser import Site, SiteProcess, accessible, shots
from tests.support.essays import Office
from tests.support.waiting import wait_until

PATH: Final = "/review/essays/grades"


@pytest.fixture(scope="module")
def site_env() -> Mapping[str, str]:
    return {"TUNEYARD_PIPELINES": "tests.support.essays"}


@pytest.fixture
def essays(site_process: SiteProcess) -> list[str]:
    """Four essays, the most doubtful first."""
    office = Office(site_process.database)
    office.open()
    office.change("TRUNCATE essays, review_responses, review_reveals CASCADE")
    return office.open(0.9, 0.8, 0.7, 0.6)


def _shown(page: Page) -> Any:
    return page.locator("#deck article:not([hidden])")


def _shows(page: Page, item: str) -> None:
    expect(_shown(page)).to_have_attribute("data-item", item)


def _said(site: Site) -> list[tuple[Any, ...]]:
    with site.database.reading() as conn:
        return conn.execute(
            "SELECT item_id, reviewer, decision FROM review_responses WHERE retracted_at IS NULL ORDER BY at"
        ).fetchall()


def test_a_form_is_made_of_the_schema(site: Site, essays: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"], who="ada")
    _shows(page, essays[0])
    accessible(page)
    shots(page, "review-generic")
    _shown(page).get_by_label("Why").fill("Clear.")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    _shows(page, essays[1])
    page.keyboard.press("2")
    _shows(page, essays[2])
    wait_until(lambda: len(_said(site)) == 2)
    assert [decision for _, _, decision in _said(site)] == [
        {"grade": "good", "why": "Clear."}, {"grade": "bad", "why": ""}
    ]  # fmt: skip
    page.keyboard.press("u")
    page.keyboard.press("u")
    _shows(page, essays[0])
    expect(_shown(page).get_by_label("Why")).to_have_value("Clear.")


def test_rules_are_checked_while_one_writes(site: Site, essays: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"], who="ada")
    _shows(page, essays[0])
    field = _shown(page).get_by_label("Why")
    field.fill("A stupid one.")
    expect(page.get_by_text("Say it kindly.")).to_be_visible()
    expect(field).to_have_attribute("aria-invalid", "true")
    accessible(page)
    page.keyboard.press("Escape")
    page.keyboard.press("2")  # what has faults is not sent
    expect(field).to_be_focused()
    _shows(page, essays[0])
    field.fill("A short one.")
    expect(page.get_by_text("Say it kindly.")).to_have_count(0)
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    _shows(page, essays[1])
    wait_until(lambda: len(_said(site)) == 1)


def test_who_comes_second_is_told_and_overwrites_nothing(site: Site, essays: list[str]) -> None:
    ada, bo = (site.visit(PATH, scopes=["review"], who=who) for who in ("ada", "bo"))
    for page in (ada, bo):
        _shows(page, essays[0])
    ada.keyboard.press("1")
    _shows(ada, essays[1])
    wait_until(lambda: len(_said(site)) == 1)
    bo.keyboard.press("2")
    _shows(bo, essays[1])
    expect(bo.locator("#trouble")).to_contain_text("Somebody else decided on an item before you")
    assert _said(site) == [(essays[0], "ada", {"grade": "good", "why": ""})]
    bo.keyboard.press("u")  # there is nothing of one's own to take back
    expect(bo.locator("#told-last")).to_have_text("There is nothing to undo on this page.")
    assert len(_said(site)) == 1


def test_a_faulty_form_comes_back_without_script_too(site: Site, essays: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"], who="ada", java_script_enabled=False)
    _shown(page).get_by_label("Why").fill("</textarea><b>stupid</b>, and longer than twenty")
    page.get_by_role("button", name="Good").click()
    _shows(page, essays[0])
    expect(_shown(page).get_by_label("Why")).to_have_value("</textarea><b>stupid</b>, and longer than twenty")
    expect(page.locator("[data-fault=why]")).to_contain_text("at most 20 characters")
    _shown(page).get_by_label("Why").fill("Good.")
    page.get_by_role("button", name="Good").click()
    _shows(page, essays[1])
    assert _said(site) == [(essays[0], "ada", {"grade": "good", "why": "Good."})]


_READ: Final = """
async (cases) => {
  const own = document.querySelector('script[src$="/review.js"]').src;
  const { readForm } = await import(own.replace("review.js", "review_form.js"));
  return cases.map((fields) => {
    const form = document.createElement("form");
    let pressed = null;
    for (const [name, value] of fields) {
      const isButton = name === "decision" || name === "with-fields";
      const field = document.createElement(isButton ? "button" : "textarea");
      Object.assign(field, { name, value });
      form.append(field);
      if (isButton) pressed = field;
    }
    return readForm(form, pressed).decision;
  });
}
"""


def test_a_browser_reads_a_form_as_the_server_does(site: Site, essays: list[str]) -> None:
    page = site.visit(PATH, scopes=["review"], who="ada")
    assert page.evaluate(_READ, [fields for fields, _ in CASES]) == [decision for _, decision in CASES]
