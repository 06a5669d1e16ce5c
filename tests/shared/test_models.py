"""What the database itself enforces about models, who wins a race, and what a killed promotion leaves."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared import jobs, models
from shared.contracts import JobState, ModelState
from shared.db import attempts
from shared.db.models import set_state
from shared.models import Change, switch
from shared.pipeline import Done
from shared.registry import get_step
from tests.support.school import STUDENT, School
from tests.support.waiting import wait_until
from workers.attempt import Attempt

ROOT = Path(__file__).parents[2]


@pytest.fixture
def candidates(school: School) -> tuple[str, str]:
    """Two candidates that passed their evaluation while no model was active."""
    school.label(100)
    school.run("freeze")
    made = [school.run("train")["model_id"] for _ in range(2)]
    assert all(school.run("evaluate", model_id=each)["passed"] for each in made)
    return made[0], made[1]


def test_database_allows_one_active_model_of_a_surface(school: School, candidates: tuple[str, str]) -> None:
    school.run("promote", model_id=candidates[0])
    with pytest.raises(psycopg.errors.UniqueViolation), school.database.transaction() as conn:
        set_state(conn, candidates[1], ModelState.ACTIVE)
    assert school.active() == candidates[0]


@pytest.mark.parametrize("statement", ["UPDATE promotions SET reason = 'nicer'", "DELETE FROM promotions"])
def test_database_refuses_to_change_the_history(school: School, candidates: tuple[str, str], statement: str) -> None:
    school.run("promote", model_id=candidates[0])
    before = school.history()
    refused = pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only")
    with refused, school.database.transaction() as conn:
        conn.execute(statement)
    assert school.history() == before


# --- races ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def attempt_at(school: School) -> Iterator[Callable[..., Done]]:
    """Run a step up to what it would record, without recording it."""
    with ExitStack() as running:

        def compute(name: str, **params: Any) -> Done:
            job_id = school.submit(name, **params)
            with school.database.transaction() as conn:
                job = attempts.claim(conn, job_id, worker="test", lease=timedelta(minutes=1))
            assert job is not None
            step = get_step(job.kind)
            assert step.run is not None
            done = step.run(running.enter_context(Attempt(school.database, job)), step.params.model_validate(params))
            assert isinstance(done, Done)
            return done

        yield compute


def test_of_two_promotions_at_once_the_second_sees_the_first(
    school: School, candidates: tuple[str, str], attempt_at: Callable[..., Done]
) -> None:
    """Both were decided while no model was active; the one that gets the surface second must think again."""
    first, second = (attempt_at("promote", model_id=each) for each in candidates)
    results: list[Any] = []

    def record_second() -> None:
        with school.database.transaction() as conn:
            assert second.record is not None
            results.append(second.record(conn))

    thread = threading.Thread(target=record_second)
    with school.database.transaction() as conn:
        assert first.record is not None
        results.append(first.record(conn))
        thread.start()
        wait_until(lambda: _waits_for_surface(school))
    thread.join()
    assert [r.promoted for r in results] == [True, False]
    assert "was not compared with the model that is active now" in results[1].sentence
    assert school.active() == candidates[0]
    assert len(school.history()) == 1


def _waits_for_surface(school: School) -> bool:
    with school.database.reading() as conn:
        waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return conn.execute(waiting).fetchone() is not None


# --- killed anywhere ------------------------------------------------------------------------------------------------


@pytest.fixture
def run_dying(school: School, environment: dict[str, str]) -> Iterator[Callable[[str, int], bool]]:
    """Run a job in a process that is killed at a point; the answer is whether it came that far."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.dying"], cwd=ROOT, env=environment | {"TUNEYARD_PIPELINES": STUDENT},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip

        def run(job_id: str, point: int) -> bool:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{job_id} {point}\n")
            process.stdin.flush()
            answer = process.stdout.readline().strip()
            assert answer in {"killed", "lived 0"}
            return answer == "killed"

        yield run
        process.stdin.close()  # type: ignore[union-attr]  # a pipe


def test_promotion_killed_anywhere_is_all_or_nothing(
    school: School, candidates: tuple[str, str], run_dying: Callable[[str, int], bool]
) -> None:
    """Kill it before every statement, commit and stored file in turn, until it lives through them all."""
    card_before = school.model(candidates[0]).card
    seen: list[bool] = []
    point, lives = 1, False
    while not lives:
        job_id = school.submit("promote", model_id=candidates[0])
        lives = not run_dying(job_id, point)
        seen.append(_is_promoted_as_a_whole(school, job_id, candidates[0], card_before))
        if seen[-1]:
            _start_over(school, candidates[0], card_before)
        point += 1
    assert seen[0] is False
    assert seen[-1] is True
    assert seen == sorted(seen)  # nothing up to the one commit, everything after it
    assert len(seen) > 10


def _is_promoted_as_a_whole(school: School, job_id: str, model_id: str, card_before: str | None) -> bool:
    job, model, active = school.job(job_id), school.model(model_id), school.active()
    promotions = [p for p in school.history() if p.job_id == job_id]
    if job.state is JobState.SUCCEEDED:
        assert job.result is not None
        assert [p.id for p in promotions] == [job.result["promotion_id"]]
        assert (model.state, active) == (ModelState.ACTIVE, model_id)
        assert model.card != card_before
        assert "Promoted by teacher" in models.read_card(school.store, model)
        assert promotions[0].verdicts
        return True
    assert job.state in {JobState.QUEUED, JobState.RUNNING}
    assert promotions == []
    assert model.state is not ModelState.ACTIVE
    assert (active, model.card) == (None, card_before)
    return False


def _start_over(school: School, model_id: str, card: str | None) -> None:
    with school.database.transaction() as conn:
        change = Change(
            pipeline="student", surface="default", kind="deactivate", to_model=None, actor="test", reason="again",
            job_id=None,
        )  # fmt: skip
        switch(conn, change)
        conn.execute("UPDATE models SET card = %s WHERE id = %s", [card, model_id])


def test_killed_promotion_is_taken_up_again(
    school: School, candidates: tuple[str, str], run_dying: Callable[[str, int], bool]
) -> None:
    job_id = school.submit("promote", model_id=candidates[0])
    assert run_dying(job_id, 12)
    with school.database.transaction() as conn:
        conn.execute("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE id = %s", [job_id])
        assert [job.id for job in jobs.rescue(conn)] == [job_id]
    job = school.finish(job_id)
    assert job.state is JobState.SUCCEEDED
    assert job.attempt == 2
    assert school.active() == candidates[0]
    assert len(school.history()) == 1


def test_killed_on_its_way_to_an_evaluation_it_evaluates_once(
    school: School, run_dying: Callable[[str, int], bool]
) -> None:
    """Kill it before each of its effects until it has asked for the evaluation; then the evaluation; then itself."""
    school.label(100)
    school.run("freeze")
    model = school.run("train")["model_id"]
    job_id = school.submit("promote", model_id=model)
    point = 1
    while run_dying(job_id, point):
        _rescue(school)
        point += 1
    assert school.job(job_id).state is JobState.WAITING
    (evaluation,) = _steps_of(school, job_id)
    assert run_dying(evaluation, 15)
    _rescue(school)
    job = school.finish(job_id)
    assert job.state is JobState.SUCCEEDED
    assert _steps_of(school, job_id) == [evaluation]
    assert (school.active(), len(school.history())) == (model, 1)
    assert point > 5


def _rescue(school: School) -> None:
    with school.database.transaction() as conn:
        conn.execute("UPDATE jobs SET lease_until = now() - interval '1 s', failures = 0 WHERE state = 'running'")
        jobs.rescue(conn)
        conn.execute("UPDATE jobs SET run_at = now() WHERE state = 'queued'")


def _steps_of(school: School, job_id: str) -> list[str]:
    with school.database.reading() as conn:
        return [step for (step,) in conn.execute("SELECT id FROM jobs WHERE parent_id = %s", [job_id])]
