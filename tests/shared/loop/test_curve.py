"""The learning curve of a local fine-tune on its way to people, with a real attempt at a real job."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared import jobs
from shared.artifacts import FileRef
from shared.db import attempts, events, fine_tunes, openai_files
from shared.db.pool import Database
from shared.errors import LeaseLostError
from shared.llm.engines import TrainingStep
from shared.loop import curve as curves
from shared.loop.curve import Curve, Paused
from shared.loop.local_finetune import TrainLocalParams, model_name, train_local
from shared.settings import Settings
from workers.attempt import Attempt

ID = "ftjob-" + "0" * 32
STEPS = [TrainingStep(n, 1 / n, 1 - 1 / n) for n in range(1, 4)]


@pytest.fixture
def attempt(database: Database, settings: Settings) -> Iterator[Attempt]:
    """A running attempt at a fine-tune."""
    new = jobs.new_job(train_local, TrainLocalParams(fine_tune_id=ID), actor="tester")
    with database.transaction() as conn:
        jobs.submit(conn, [new])
        openai_files.insert(
            conn, file_id="file-1", filename="a", purpose="fine-tune", ref=FileRef(sha256="0" * 64, size=1), actor="a"
        )
        fine_tunes.insert(
            conn, fine_tune_id=ID, job_id=new.id, actor="a", base_model="local-nearest", method="supervised",
            training_file="file-1", validation_file=None, suffix="Ä b/c", seed=0, hyperparameters={}, metadata=None,
        )  # fmt: skip
        job = attempts.claim(conn, new.id, worker="w", lease=timedelta(minutes=5))
    assert job
    with Attempt(database, job) as running:
        yield running


def _told(database: Database, attempt: Attempt) -> list[tuple[str, dict[str, float]]]:
    with database.reading() as conn:
        return [(e.message, e.data) for e in events.after(conn, [attempt.job_id], 0, 100) if "train_loss" in e.data]


def test_steps_are_told_while_they_come_and_none_twice(
    attempt: Attempt, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "_WRITE_EVERY_S", 0)
    curve = Curve(attempt, ID)
    curve(0.3, "first", step=1, loss=1.0, accuracy=0.0)
    assert len(_told(database, attempt)) == 1
    monkeypatch.setattr(curves, "_WRITE_EVERY_S", 1000)
    curve(0.6, "second", step=2, loss=0.5, accuracy=0.5)
    assert len(_told(database, attempt)) == 1
    with attempt.fenced() as conn:
        curve.write_rest(conn, STEPS)
    told = _told(database, attempt)
    assert [data["step"] for _, data in told] == [1, 2, 3]
    assert told[2][1] == {"fraction": 1.0, "step": 3, "train_loss": 1 / 3, "train_mean_token_accuracy": 1 - 1 / 3}
    assert curve.final(STEPS) == {k: v for k, v in told[2][1].items() if k != "fraction"}
    assert curve.final([]) == {"step": 0}
    assert curve.as_csv(STEPS).splitlines()[1] == b"1,1.0,0.0"


def test_a_pause_is_noticed_while_it_trains(
    attempt: Attempt, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "_WRITE_EVERY_S", 0)
    curve = Curve(attempt, ID)
    curve(0.1, "on")
    with database.transaction() as conn:
        fine_tunes.set_paused(conn, ID, paused=True)
    with pytest.raises(Paused):
        curve(0.2, "on")


def test_an_attempt_that_lost_its_job_tells_nothing(
    attempt: Attempt, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "_WRITE_EVERY_S", 0)
    with database.transaction() as conn:
        conn.execute("UPDATE jobs SET attempt = attempt + 1")
    with pytest.raises(LeaseLostError):
        Curve(attempt, ID)(1.0, "on", step=1, loss=1.0)
    assert _told(database, attempt) == []


def test_a_model_s_name_is_made_like_openai_s(attempt: Attempt, database: Database) -> None:
    with database.reading() as conn:
        assert model_name(fine_tunes.get(conn, ID)) == "ft:local-nearest:tuneyard:b-c:00000000"
