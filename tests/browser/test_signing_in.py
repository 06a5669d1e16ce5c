"""Signing in and out, as a person does it."""

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Site, accessible, shots


def test_an_unknown_key_is_told_beside_its_field(site: Site) -> None:
    page = site.visit("/sign-in", scopes=None)
    page.get_by_label("API key").fill("ty_nobody")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("This key is unknown or revoked.")
    expect(page.get_by_label("API key")).to_have_attribute("aria-invalid", "true")
    accessible(page)


def test_the_page_is_for_everybody(site: Site) -> None:
    page = site.visit("/sign-in", scopes=None)
    accessible(page)
    shots(page, "sign-in")


@pytest.mark.parametrize("breach", ["document.body.setAttribute('onclick', 'alert(1)')", "nowhere()"])
def test_a_breach_on_a_page_is_noticed(site: Site, breach: str) -> None:
    page: Page = site.visit("/sign-in", scopes=None)
    page.evaluate(f"setTimeout(() => {breach})")
    page.evaluate("document.body.click()")
    assert site.troubles
    site.troubles.clear()
