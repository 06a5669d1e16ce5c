"""Models that their providers end: who is told, and what is refused unless somebody accepts it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest
from psycopg.types.json import Jsonb

from shared.db import sunsets
from shared.db.alerts import list_alerts
from shared.llm.connection import Provider
from shared.loop import sunset
from shared.pipeline import FineTune
from shared.settings import get_settings
from tests.support.fault_provider import Fault, FaultProvider
from tests.support.school import School
from tests.support.student import PIPELINE

LLM = "llm"


@pytest.fixture
def provider(school: School, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProvider]:
    """A provider that ends ``old`` in thirty days, and nothing else."""
    with FaultProvider() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        get_settings.cache_clear()
        server.shutdown_dates = {"old": str(today(school) + timedelta(days=30)), "new": None}
        yield server


def today(school: School) -> date:
    with school.database.reading() as conn:
        return sunsets.today(conn)


def candidate(school: School, base: str) -> str:
    """Train a model, and let it be one of the provider's on this base model."""
    made = school.run("train")["model_id"]
    school.run("evaluate", model_id=made)
    with school.database.transaction() as conn:
        parameters = {"provider": "127.0.0.1", "base_model": base, "provider_model": f"ft:{base}:org:student:1"}
        conn.execute("UPDATE models SET parameters = %s WHERE id = %s", [Jsonb(parameters), made])
    return str(made)


def watch(school: School) -> sunset.SunsetResult:
    return sunset.SunsetResult.model_validate(replace(school, pipeline=LLM).run("sunset"))


def test_an_active_model_that_ends_is_told_once(school: School, provider: FaultProvider) -> None:
    school.label(300)
    school.run("freeze")
    model_id = candidate(school, "old")
    assert school.run("promote", model_id=model_id)["promoted"]  # nobody knows yet
    found = watch(school)
    assert found.asked
    assert found.alerts == 1
    (ending,) = found.endings
    version = school.model(model_id).version
    assert ending.depends == (f"the active model {version} of student (default)",)
    assert watch(school).alerts == 0
    with school.database.reading() as conn:
        (alert,) = list_alerts(conn)
    assert alert.kind == sunset.ALERT
    assert f"the model old of 127.0.0.1 ends on {ending.ends}, in 30 days" in alert.message
    assert version in alert.message
    provider.shutdown_dates["old"] = str(ending.ends + timedelta(days=1))
    assert watch(school).alerts == 1  # another day is news
    provider.shutdown_dates["old"] = None
    assert watch(school).endings == ()  # and so may be taken back


def test_it_is_promoted_only_if_that_is_accepted_and_the_history_says_so(
    school: School, provider: FaultProvider
) -> None:
    school.label(300)
    school.run("freeze")
    watch(school)
    model_id = candidate(school, "old")
    refused = school.run("promote", model_id=model_id)
    assert not refused["promoted"]
    assert "the model old of 127.0.0.1 ends on" in refused["sentence"]
    assert "With accept_sunset it would be." in refused["sentence"]
    assert school.active() is None
    assert school.run("promote", model_id=model_id, accept_sunset=True)["promoted"]
    assert "Accepted although the model old of 127.0.0.1 ends on" in school.history()[0].reason


def test_it_is_activated_only_if_that_is_accepted(school: School, provider: FaultProvider) -> None:
    school.label(300)
    school.run("freeze")
    watch(school)
    model_id = candidate(school, "old")
    refused = school.run("activate", model_id=model_id, reason="why not", force=True)
    assert not refused["promoted"]
    assert "With accept_sunset it would be." in refused["sentence"]
    assert school.run("activate", model_id=model_id, reason="why not", accept_sunset=True)["promoted"]
    assert school.history()[0].reason.startswith("why not Accepted although the model old")


def test_others_are_promoted_as_ever(school: School, provider: FaultProvider) -> None:
    school.label(300)
    school.run("freeze")
    watch(school)
    assert school.run("promote", model_id=candidate(school, "new"))["promoted"]
    assert school.history()[0].reason.find("Accepted") == -1


def test_a_retrain_accepts_for_its_promotion(school: School, provider: FaultProvider) -> None:
    school.label(300)
    flow = school.submit("retrain", accept_sunset=True)
    assert school.finish(flow).state == "succeeded"
    with school.database.reading() as conn:
        asked = conn.execute("SELECT params->'accept_sunset' FROM jobs WHERE kind = 'student.promote'").fetchone()
    assert asked == (True,)


def test_a_provider_that_does_not_answer_stops_nothing(school: School, provider: FaultProvider) -> None:
    watch(school)
    provider.fail("models", Fault.DROP_BEFORE)
    found = watch(school)
    assert not found.asked
    assert "127.0.0.1 did not list its models" in found.sentence
    with school.database.reading() as conn:
        assert list(sunsets.announced(conn, "127.0.0.1")) == ["old"]  # what was known stays known


def test_without_a_provider_the_policy_is_looked_at(school: School) -> None:
    found = watch(school)
    assert not found.asked
    assert found.sentence.startswith("nothing in use ends soon; there is no provider")


def test_pipelines_that_train_where_no_training_is_taken_are_named(school: School) -> None:
    tuned = FineTune(lines=lambda _: iter(()), base_model="gpt-4o-mini-2024-07-18", suffix="student")
    pipelines = {"student": replace(PIPELINE, train=tuned), "other": PIPELINE}
    openai = Provider(name="openai", base_url="https://api.openai.com/v1", api_key="")
    with school.database.reading() as conn:
        found = {ending.model: ending.depends for ending in sunset.find(conn, openai, pipelines)}
        local = replace(openai, name="local")
        assert sunset.find(conn, local, pipelines) == ()
    assert found == {
        "": ("the training of student",),
        "gpt-4o-mini-2024-07-18": ("the base model of student",),
    }
