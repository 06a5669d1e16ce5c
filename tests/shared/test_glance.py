"""What the home page asks of the database: where surfaces stand, which queues are late, and when beat fires next."""

from datetime import UTC, datetime, timedelta

import pytest

from shared import jobs
from shared.contracts import Outcome
from shared.db import glance, job_stats, schedules
from shared.db.glance import Standing
from shared.db.job_stats import LateQueue
from shared.registry import get_step
from tests.support.school import School

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
MONTH = timedelta(days=30)


def _stands(school: School) -> Standing:
    with school.database.reading() as conn:
        return glance.standings(conn, [("student", "default")])[0]


def test_a_surface_stands_where_its_last_step_left_it(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    at = _stands(school)
    assert (at.dataset_id, at.active_id, at.candidate_id, at.outcome) == (None, None, None, None)
    school.label(100)
    school.run("freeze")
    monkeypatch.setenv("STUDENT_SKILL", "90")
    good = school.run("train")["model_id"]
    at = _stands(school)
    assert (at.dataset_rows, at.candidate_id, at.outcome) == (100, good, None)
    assert school.run("promote")["promoted"]
    at = _stands(school)
    assert (at.active_id, at.candidate_id, at.evaluated_id, at.outcome) == (good, None, good, Outcome.PASS)
    assert at.active_since is not None
    assert at.active_metrics is not None
    assert at.active_metrics["all"]["candidate"]["accuracy"] > 0.8
    monkeypatch.setenv("STUDENT_SKILL", "10")
    bad = school.run("train")["model_id"]
    school.run("evaluate")
    at = _stands(school)
    assert (at.active_id, at.candidate_id, at.evaluated_id, at.outcome) == (good, bad, bad, Outcome.FAIL)
    school.run("activate", model_id=bad, reason="to see it fall", force=True)
    school.run("rollback", reason="it fell")
    at = _stands(school)  # a candidate that is older than the active model is none any more
    assert (at.active_id, at.candidate_id, at.canary_percent, at.pinned_by) == (good, None, None, None)
    school.run("pin", reason="an audit")
    assert _stands(school).pinned_by == "teacher"


def test_queues_are_late_when_due_jobs_are_old_and_stuck_when_nothing_runs(school: School) -> None:
    old, running, waiting = school.submit("freeze"), school.submit("freeze"), school.submit("freeze")
    with school.database.transaction() as conn:
        conn.execute("UPDATE jobs SET run_at = now() - interval '1 hour' WHERE id = %s", [old])
        conn.execute("UPDATE jobs SET state = 'waiting', run_at = '9999-01-01' WHERE id = %s", [waiting])
        found = job_stats.late_queues(conn, seconds=300)
        assert [(late.queue, late.jobs, late.running) for late in found] == [("db", 1, False)]
        assert found[0].oldest_seconds == pytest.approx(3600, abs=60)
        conn.execute(
            "UPDATE jobs SET state = 'running', lease_until = now() + interval '1 minute' WHERE id = %s", [running]
        )
        assert job_stats.late_queues(conn, seconds=300)[0].running
        assert not job_stats.late_queues(conn, seconds=7200)
        assert {job.id for job in job_stats.under_way(conn, 5)} == {running, waiting}


def test_counting_late_jobs_stops_at_a_cap(school: School) -> None:
    step = get_step("student.freeze")
    new = [jobs.new_job(step, step.params(), actor="teacher") for _ in range(30)]
    with school.database.transaction() as conn:
        jobs.submit(conn, new)
        conn.execute("UPDATE jobs SET run_at = now() - interval '1 hour'")
        found: list[LateQueue] = job_stats.late_queues(conn, seconds=60, cap=20)
    assert [late.jobs for late in found] == [20]


@pytest.mark.parametrize(
    ("now", "then"),
    [(START, START + MONTH), (START + timedelta(days=29), START + MONTH), (START + MONTH, START + 2 * MONTH)],
)
def test_the_next_slot_begins_after_whole_periods(now: datetime, then: datetime) -> None:
    assert schedules.next_slot(START, MONTH, now) == then
