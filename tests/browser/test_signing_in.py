"""Signing in and out, as a person does it."""

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Site, accessible, shots


def test_a_person_signs_in_chooses_colours_and_signs_out(site: Site) -> None:
    page = site.visit("/jobs", scopes=None)
    page.get_by_label("API key").fill(site.key(["review"], who="Ada"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs")
    expect(page.get_by_text("Ada")).to_be_visible()

    page.get_by_role("button", name="Dark colours").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.wait_for_url("**/jobs")

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out.")
    page.goto("/jobs")
    page.wait_for_url("**/sign-in?to=/jobs")


def test_without_a_script_too(site: Site) -> None:
    page = site.visit("/jobs", scopes=None, java_script_enabled=False)
    page.get_by_label("API key").fill(site.key())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out.")


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
