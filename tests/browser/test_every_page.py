"""Every page of the site with real data: how it looks, whether all can use it, and that stored text stays text."""

from collections.abc import Callable, Mapping
from typing import Final

import pytest
from playwright.sync_api import Page

from tests.support.browser import PHONE, Site, SiteProcess, accessible, on_a_phone, shots
from tests.support.full_site import every_page, fill
from tests.support.poison import HOSTILE, LONG, MARK, poison
from tests.support.school import STUDENT

_ELSEWHERE: Final = {"flower"}  # another program's page, or a way to one: tests/browser/test_flower.py

MOST_BYTES: Final = 10_000_000

Each = Callable[[Callable[[str, str], None]], None]


@pytest.fixture(scope="module")
def site_env() -> Mapping[str, str]:
    return {"TUNEYARD_PIPELINES": STUDENT}


@pytest.fixture(scope="module")
def known(site_process: SiteProcess) -> Mapping[str, str]:
    """Ids of what is there, by the names that addresses have for them."""
    return fill(site_process)


@pytest.fixture
def each(known: Mapping[str, str]) -> Each:
    """Look at every page, and only then say what is wrong with which."""

    def look(check: Callable[[str, str], None]) -> None:
        faults = []
        for name, path in every_page(known):
            if name not in _ELSEWHERE:
                try:
                    check(name, path)
                except AssertionError as error:
                    faults.append(f"{name}: {error}")
        assert not faults, "\n\n".join(faults)

    return look


def _open(page: Page, path: str) -> None:
    answer = page.goto(path)
    assert answer
    assert answer.status == 200, path
    assert len(answer.body()) < MOST_BYTES, path


def test_every_page_looks_right_and_can_be_used_by_all(site: Site, each: Each) -> None:
    page = site.visit("/")

    def check(name: str, path: str) -> None:
        _open(page, path)
        assert page.title().endswith("· Tuneyard"), page.title()
        assert page.get_by_role("heading", level=1).count() == 1, "a page has one heading of the first level"
        accessible(page)
        page.emulate_media(color_scheme="dark")
        accessible(page, "color-contrast")  # nothing else depends on it
        shots(page, f"page-{name}")

    each(check)


def test_hostile_texts_are_shown_as_they_are_and_nothing_of_them_runs(site: Site, each: Each) -> None:
    with site.database.transaction() as conn:
        poisoned = poison(conn, HOSTILE)
    assert {"jobs.message", "promotions.reason", "alerts.message", "queries.query", "promotions.verdicts"} <= poisoned
    page = site.visit("/", who=HOSTILE[:64])
    page.on("dialog", lambda dialog: site.troubles.append(f"{page.url}: {dialog.message}"))
    shown = set()

    def check(name: str, path: str) -> None:
        _open(page, path)
        assert page.evaluate("window.broken") is None, path
        made = page.locator("[onerror], [onload], [src=x], [href^='javascript:'], main [style]")
        assert made.count() == 0, made.first.evaluate("(element) => element.outerHTML")
        on_a_phone(page)
        if MARK in page.locator("main").inner_text():
            shown.add(name)

    each(check)
    assert {"home", "job", "jobs", "surface"} <= shown, shown


def test_a_text_of_a_hundred_thousand_characters_breaks_no_page(site: Site, each: Each) -> None:
    with site.database.transaction() as conn:
        poison(conn, LONG)
    page = site.visit("/", viewport=PHONE)

    def check(_name: str, path: str) -> None:
        _open(page, path)
        on_a_phone(page)

    each(check)
