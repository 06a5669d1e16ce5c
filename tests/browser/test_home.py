"""The home page in a real browser: where the loops stand, what needs a person, and what a person may close."""

import re

import pytest
from playwright.sync_api import expect
from psycopg import Connection

from shared import ids, jobs, models
from shared.contracts import Outcome, Verdict
from shared.db import alerts, datasets, evaluations
from shared.registry import get_step
from tests.support.browser import Site, accessible, on_a_phone, shots

FAILED = "On 832 held-out rows the candidate scores 0.84 and the active model 0.87: the candidate is worse."
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def _candidate(conn: Connection) -> str:
    """Put a dataset and a candidate there whose gate failed."""
    dataset, model = ids.content_id("ds", "home"), ids.new_id(ids.MODEL)
    datasets.insert(
        conn, dataset_id=dataset, pipeline="router", surface="default", manifest="0" * 64, rows=4000,
        splits={"train": 3168, "test": 832}, seed=1, job_id=None,
    )  # fmt: skip
    figures = {"all": {"rows": 832, "candidate": {"accuracy": 0.84}, "active": None}}
    models.register(
        conn, model_id=model, pipeline="router", surface="default", manifest="1" * 64, dataset_id=dataset, job_id=None,
        parameters={}, libraries={}, metrics=figures,
    )  # fmt: skip
    verdicts = (Verdict(gate="no_regression", outcome=Outcome.FAIL, sentence=FAILED),)
    evaluations.insert(
        conn, evaluation_id=ids.new_id(ids.EVALUATION), model_id=model, active_id=None, dataset_id=dataset,
        job_id=None, metrics=figures, verdicts=verdicts, report="2" * 64,
    )  # fmt: skip
    return model


def _job(conn: Connection, kind: str, *, minutes: int = 0, running: bool = False) -> str:
    step = get_step(kind)
    new = jobs.new_job(step, step.params(), actor="nightly")
    jobs.submit(conn, [new])
    conn.execute("UPDATE jobs SET run_at = now() - make_interval(mins => %s) WHERE id = %s", [minutes, new.id])
    if running:
        conn.execute(
            "UPDATE jobs SET state = 'running', lease_until = now() + interval '1 hour', started_at = now(),"
            " attempt = 1, progress = 0.62, message = 'scoring window all' WHERE id = %s",
            [new.id],
        )
    return new.id


@pytest.fixture
def troubled(site: Site) -> str:
    """A candidate that a gate holds back, a queue that nobody works on, an alert, and a job that runs; its id."""
    with site.database.transaction() as conn:
        conn.execute("TRUNCATE alerts, evaluations, promotions, models, datasets, jobs CASCADE")
        model = _candidate(conn)
        _job(conn, "router.freeze", minutes=20)
        _job(conn, "llm.sunset", running=True)  # another queue
        alerts.raise_once(conn, "model-sunset", "s", f"openai ends gpt-4o-mini in 54 days {HOSTILE}", {})
        conn.execute("INSERT INTO spend_months (month, reserved, booked) VALUES (date_trunc('month', now() AT TIME ZONE"
                     " 'UTC')::date, 12.4, 31.75) ON CONFLICT DO NOTHING")  # fmt: skip
    return model


def test_an_empty_place_says_that_all_is_well_and_where_to_begin(site: Site) -> None:
    page = site.visit("/", scopes=["review"])
    expect(page.get_by_role("heading", name="Where the loops stand")).to_be_visible()
    expect(page.locator("main .lead").first).to_contain_text("nothing needs a person")
    assert page.locator("article.loop").count() == 5
    expect(page.locator("article.loop", has_text="Stages").locator("tbody tr")).to_have_count(5)
    expect(page.get_by_role("link", name="API documentation")).to_have_attribute("href", "/docs")
    assert page.get_by_role("link", name="Start a step").count() == 0  # this person may submit nothing
    accessible(page)


def test_a_failed_gate_a_stuck_queue_and_an_alert_are_told_with_what_to_do(site: Site, troubled: str) -> None:
    page = site.visit("/")
    needs = page.locator(".needs > li")
    expect(needs).to_have_count(3)
    stuck = needs.filter(has_text="The queue db is stuck")
    expect(stuck).to_contain_text("1 due job waits, the oldest for 20 min, and no worker seems to be there.")
    expect(stuck.get_by_role("link")).to_have_attribute("href", "/jobs?queue=db")
    gate = needs.filter(has_text="Router: a gate failed")
    expect(gate).to_contain_text(FAILED)
    expect(gate).to_contain_text("What to do")
    expect(gate.get_by_role("link")).to_have_attribute("href", f"/models/{troubled}")
    expect(needs.filter(has_text="A provider ends a model")).to_contain_text(HOSTILE)
    router = page.locator("article.loop", has_text="How hard is a query?")
    expect(router).to_contain_text("4,000 rows")
    expect(router.locator(".badge.bad")).to_have_text("fail")
    running = page.locator("#under-way li")
    expect(running).to_contain_text("scoring window all")
    expect(running.locator("progress")).to_have_attribute("value", re.compile(r"0\.62"))
    expect(page.locator("#spent")).to_contain_text("$44.15 of $100.00")
    accessible(page)
    shots(page, "home")
    on_a_phone(page, lambda: accessible(page))


def test_an_alert_is_closed_by_who_may_and_only_open_ones_are_told(site: Site, troubled: str) -> None:
    page = site.visit("/", scopes=["review"], who="Bob")
    assert page.get_by_role("button", name=re.compile("Seen to")).count() == 0
    page = site.visit("/", scopes=["submit"], who="Ada")
    page.get_by_role("button", name=re.compile("Seen to")).click()
    expect(page.get_by_role("status")).to_contain_text("The alert is closed")
    expect(page.locator(".needs > li")).to_have_count(2)
    with site.database.transaction() as conn:
        assert [alert.closed_by for alert in alerts.list_alerts(conn)] == ["Ada"]
        assert not alerts.raise_once(conn, "model-sunset", "s", "again, within the week", {})
        conn.execute("UPDATE alerts SET closed_at = now() - interval '8 days'")
        assert alerts.raise_once(conn, "model-sunset", "s", "still so after a week", {})
