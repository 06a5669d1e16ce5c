"""Providers in a real browser: fine-tunes in plain words, losses, spend against the budget, what ends when."""

from datetime import UTC, date, datetime, timedelta

import pytest
from playwright.sync_api import expect

from shared.db import provider_jobs, provider_sweep, spend, sunsets
from shared.db.provider_sweep import NewEvent
from tests.support.browser import Site, SiteProcess, accessible, shots
from tests.support.provider_runs import add_job, add_run

_MODEL = """
INSERT INTO models (id, pipeline, surface, version, state, manifest, dataset_id, parameters, libraries)
SELECT 'mdl_' || repeat('a', 32), 'gold', 'default', 'v1', 'active', repeat('0', 64), id, %s, '{}' FROM datasets LIMIT 1
"""


def test_an_empty_page_says_what_to_do(site: Site) -> None:
    page = site.visit("/provider")
    expect(page.locator(".empty code")).to_contain_text("tuneyard gold finetune")
    expect(page.locator("main")).to_contain_text("Nothing has been paid yet")


@pytest.fixture(scope="module")
def busy(site_process: SiteProcess) -> dict[str, str]:
    """Runs in several states, losses, payments of two months, and a model that ends soon."""
    with site_process.database.transaction() as conn:
        trained = add_run(conn, server="a", provider="openai", provider_job_id="ftjob-1")
        events = [_event(step, 2.0 / step) for step in range(1, 9)]
        provider_sweep.add_events(conn, trained.id, events)
        provider_jobs.end(conn, trained.id, "succeeded", cost_usd=1.25)
        parked = add_run(conn, server="b", provider="openai", up_to="create_unknown")
        conn.execute("UPDATE provider_jobs SET parked_at = now() WHERE id = %s", [parked.id])
        closed = add_run(conn, server="c", provider="openai", up_to="upload")
        error = {"message": "403: <b>this account</b> may not train there"}
        provider_jobs.end(conn, closed.id, "provider_closed", error=error)
        spend.insert(
            conn, trained.id + "-more", kind="booked", provider="openai", model="m", purpose="completion", usd=38.75,
            job_id=add_job(conn, "gold.infer"), tokens_in=1000,
        )  # fmt: skip
        conn.execute(_MODEL, ['{"provider": "openai", "base_model": "gpt-9", "provider_model": "ft:gpt-9:x"}'])
        sunsets.replace(
            conn, "openai", {"gpt-9": datetime.now(UTC).date() + timedelta(days=9), "gone": date(2026, 1, 1)}
        )
    return {"trained": trained.id, "parked": parked.id, "closed": closed.id}


def _event(step: int, loss: float) -> NewEvent:
    at = datetime.now(UTC) + timedelta(seconds=step)
    return NewEvent(id=f"e{step}", at=at, level="info", message=f"Step {step}", step=step, loss=loss, data={})


def test_fine_tunes_in_plain_words_with_their_losses(site: Site, busy: dict[str, str]) -> None:
    page = site.visit("/provider")
    states = page.locator("td[data-name='Where it stands']")
    expect(states.nth(0)).to_contain_text("the provider does not train for this account")
    expect(states.nth(0)).to_contain_text("403: <b>this account</b> may not train there")
    expect(states.nth(1)).to_contain_text("unclear whether the provider has started")
    expect(states.nth(1)).to_contain_text("waits for a person")
    expect(states.nth(2)).to_contain_text("trained")
    expect(page.locator("figure.chart")).to_have_count(1)
    expect(page.locator("figure.chart figcaption")).to_have_text("Loss of probe")
    expect(page.locator("figure.chart circle.dot")).to_have_count(8)
    page.locator("figure.chart summary").click()
    expect(page.locator("figure.chart tbody tr").nth(3)).to_contain_text("0.5")
    accessible(page)
    shots(page, "provider-busy")


def test_what_stands_still_says_how_it_goes_on(site: Site, busy: dict[str, str]) -> None:
    page = site.visit("/provider")
    expect(page.get_by_role("alert")).to_contain_text("OPENAI_BASE_URL")
    expect(page.locator(".alert", has_text="waits for a person")).to_contain_text(
        f"tuneyard llm resolve {busy['parked']}"
    )


def test_spend_stands_against_the_budget(site: Site, busy: dict[str, str]) -> None:
    page = site.visit("/provider")
    expect(page.locator(".tile", has_text="Paid").locator("dd").first).to_have_text("$38.75")
    row = page.get_by_role("row").filter(has_text="$38.75")
    expect(row).to_have_count(1)
    expect(page.get_by_role("columnheader", name="gold")).to_be_visible()
    expect(page.locator("#m-month")).to_have_attribute("value", "38.75")


def test_what_ends_names_who_depends_on_it(site: Site, busy: dict[str, str]) -> None:
    page = site.visit("/provider")
    row = page.get_by_role("row").filter(has_text="gpt-9")
    expect(row).to_contain_text("in 9 days")
    expect(row.get_by_role("link")).to_have_text("gold v1")
    expect(row).to_contain_text("tuneyard gold retrain --live")
    expect(page.get_by_role("row").filter(has_text="gone")).to_contain_text("ended")
