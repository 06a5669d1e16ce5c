"""Drift in a real browser: what changed over weeks is seen, a promotion is marked, and a window can be chosen."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from shared.db import predictions
from shared.db.drift import _bound
from shared.db.predictions import Prediction
from tests.support.browser import Site, SiteProcess, accessible, shots

DAYS = 28
EACH = 20

_PROMOTION = """
INSERT INTO promotions (id, pipeline, surface, kind, actor, reason, at)
VALUES ('promo_' || repeat('a', 32), 'router', 'default', 'promote', 'Ada', '<i>Better.</i>', %s)
"""
_LABEL = """
INSERT INTO ml_data (id, query, group_key, label, source, labelled_by, labelled_at)
VALUES (%s, 'secret question', 'g', %s, 'import', 'Ada', %s)
"""


def test_an_empty_page_says_what_to_do(site: Site) -> None:
    page = site.visit("/drift")
    expect(page.locator(".empty code")).to_contain_text("tuneyard router retrain")
    page.goto("/drift/gold")
    expect(page.locator(".empty code").first).to_have_text("tuneyard gold infer --help")


@pytest.fixture(scope="module")
def changed(site_process: SiteProcess) -> datetime:
    """Four weeks of answers: in the second half, since a promotion, more are hard, and the fallback answers some."""
    now = datetime.now(UTC)
    promoted = now - timedelta(days=DAYS / 2)
    with site_process.database.transaction() as conn:
        predictions.insert(conn, [_answer(now, number, promoted) for number in range(DAYS * EACH)])
        conn.execute(_PROMOTION, [promoted])
        for number in range(DAYS):
            conn.execute(_LABEL, [f"ex_{number:032x}", "EASY" if number % 3 else "HARD", now - timedelta(days=number)])
    return promoted


def _answer(now: datetime, number: int, promoted: datetime) -> Prediction:
    at = now - timedelta(days=DAYS) * (number + 1) / (DAYS * EACH)
    later = at >= promoted
    path = "fallback" if later and number % 5 == 0 else "cache" if number % 7 == 0 else "model"
    return Prediction(
        id=_bound(at)[:-20] + f"{number:020x}", pipeline="router", surface="default", model_id=None, path=path,
        confidence=0.9 - 0.3 * later, output={"difficulty": "HARD" if later and number % 2 else "EASY"}, created_at=at,
    )  # fmt: skip


def test_all_surfaces_in_small(site: Site, changed: datetime) -> None:
    page = site.visit("/drift")
    expect(page.get_by_role("heading", level=2)).to_have_text("Router")
    expect(page.locator("figure.chart")).to_have_count(3)
    expect(page.locator("main")).to_contain_text("560 answers")
    accessible(page)
    shots(page, "drift-all")
    page.get_by_role("link", name="Router").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Router")


def test_what_changed_since_the_promotion_is_seen(site: Site, changed: datetime) -> None:
    page = site.visit("/drift/router")
    expect(page.locator("main")).to_contain_text("All 560 answers of the window")
    answered = page.locator(".card", has_text="Answered: difficulty")
    expect(answered.locator("circle.mark")).to_have_count(1)
    expect(answered.locator("g title")).to_contain_text("promote by Ada")
    expect(answered).to_contain_text(re.compile(r"to the second, (4|5)\d % of the shares moved"))
    paths = page.locator(".card", has_text="Answers by path")
    expect(paths.locator(".legend")).to_have_text(re.compile(r"model\s*cache\s*fallback"))
    around = page.locator(".card", has_text="Confidence before and after")
    expect(around.locator(".legend")).to_have_text(re.compile(r"before\s*after"))
    expect(page.locator(".card", has_text="People said: label").locator("svg rect")).not_to_have_count(0)
    expect(page.locator("td[data-name=Why]")).to_have_text("<i>Better.</i>")
    assert "secret question" not in page.content()
    accessible(page)
    shots(page, "drift-changed")


def test_a_window_is_chosen_by_keyboard(site: Site, changed: datetime) -> None:
    page = site.visit("/drift/router")
    page.get_by_label("Window", exact=True).select_option("7")
    page.get_by_label("By", exact=True).select_option("hour")
    page.get_by_role("button", name="Show").press("Enter")
    expect(page).to_have_url(re.compile("days=7&by=hour"))
    expect(page.get_by_label("By", exact=True)).to_have_value("day")  # 168 hours are more than a chart can show
    expect(page.locator("main")).to_contain_text(re.compile(r"All 1[0-4]\d answers"))
    expect(page.locator("circle.mark")).to_have_count(0)


def test_a_bad_address_gets_a_clear_page(site: Site) -> None:
    page = site.visit("/drift")
    for path, status in (("/drift/nothing", 404), ("/drift/images?surface=other", 404), ("/drift?days=0", 422)):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == status
        expect(page.get_by_role("alert")).to_be_visible()
