"""The active model is asked about neighbours once, and keeps apart in clusters what it would not merge."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shared.pipelines.dedup.desk import Desk
from tests.shared.pipelines.dedup.teacher import activate, by_first_word, fresh_clients
from tests.support.fault_provider import Fault, FaultProvider

# all alike; the model merges those whose first words are the same
STATEMENTS = ("red one", "red two", "blue one", "blue two")


@pytest.fixture
def provider() -> Iterator[FaultProvider]:
    with FaultProvider() as server:
        server.answer = by_first_word
        yield server


@pytest.fixture
def environment(environment: dict[str, str], provider: FaultProvider) -> dict[str, str]:
    return environment | {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk-test", "LLM_TIMEOUT_SECONDS": "15"}


@pytest.fixture
def desk(desk: Desk) -> Iterator[Desk]:
    for place, statement in enumerate(STATEMENTS):
        desk.insight(statement, (math.cos(place / 100), math.sin(place / 100)))
    desk.run("cluster")
    with fresh_clients():
        yield desk


def clusters(desk: Desk) -> list[tuple[str, ...]]:
    found = desk.rows(
        "SELECT array_agg(i.statement ORDER BY i.statement) FROM clusters c"
        " JOIN cluster_members m ON m.cluster_id = c.id JOIN insights i ON i.id = m.insight_id"
        " WHERE c.state = 'open' GROUP BY c.id"
    )
    return sorted(tuple(members) for (members,) in found)


def test_clusters_with_the_models_assistance(desk: Desk, provider: FaultProvider, tmp_path: Path) -> None:
    assert clusters(desk) == [tuple(sorted(STATEMENTS))]
    model_id = activate(desk, tmp_path)
    asked = desk.run("ask-neighbours")
    assert asked == {"neighbours": 6, "asked": 6, "model_id": model_id}
    assert provider.count("chat") == 6
    assert desk.run("ask-neighbours") == asked
    assert provider.count("chat") == 6
    assert desk.run("cluster")["clusters"] == 1  # nobody asked for assistance
    assert desk.run("cluster", assisted=True)["clusters"] == 2
    assert clusters(desk) == [("blue one", "blue two"), ("red one", "red two")]


def test_what_was_said_is_kept_when_the_provider_stops(desk: Desk, provider: FaultProvider, tmp_path: Path) -> None:
    activate(desk, tmp_path)
    provider.fail("chat", Fault.UNAUTHORIZED, None, skip=2)
    job = desk.job(desk.submit("ask-neighbours"))
    with pytest.raises(AssertionError, match="nothing is due"):
        desk.finish(job.id)  # it is tried again later
    ((kept,),) = desk.rows("SELECT count(*) FROM pair_predictions")
    assert kept <= 2
    provider.heal()
    desk.change("UPDATE jobs SET run_at = now() WHERE id = %s", job.id)
    assert desk.finish(job.id).result == {"neighbours": 6, "asked": 6, "model_id": desk.active()}


def test_without_an_active_model_nobody_assists(desk: Desk) -> None:
    assert desk.refusal("ask-neighbours")["code"] == "no-model"
    assert desk.refusal("cluster", assisted=True)["code"] == "no-model"
