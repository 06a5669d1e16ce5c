"""The paths of seed 004 over real HTTP: through the inference queue to a trained model, and what people say of it."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import redis

from shared.contracts import Scope
from shared.db.pool import Database
from shared.settings import Settings
from shared.stack.process import ChildProcess
from tests.api.conftest import Front
from tests.support.processes import ApiServer
from tests.support.school import ANSWERS, School
from tests.support.servers import RedisProcess
from tests.support.waiting import wait_until

StartWorker = Callable[..., ChildProcess]

CANARY = "my name is Ada Lovelace and my phone is 555 0199"
THRESHOLD = 0.6


def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    return database.read(lambda conn: conn.execute(sql).fetchall())


def query(client: httpx.Client, text: str = "What is 2 + 2?", **more: Any) -> dict[str, Any]:
    response = client.post("/api/query", json={"query": text, **more})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    assert set(answer) == {"queryId", "difficulty", "confidence", "modelVersion", "path"}
    return answer


def model_version(front: Front) -> str:
    """Train and promote a router in this process; return its version."""
    school = School(front.database, "router")
    school.label(150)
    result = school.run("retrain")
    assert result["promoted"], result
    return str(result["version"])


# --- with a model ---------------------------------------------------------------------------------------------------


def test_queries_are_answered_by_the_active_model_and_recorded(
    front: Front, client: httpx.Client, worker: StartWorker
) -> None:
    version = model_version(front)
    worker("inference")
    texts = [f"question {n} {ANSWERS[n % 3]}" for n in range(30)] + ["xyzzy", "¿?", CANARY]
    answers = [query(client, text) for text in texts]
    assert {(a["path"], a["modelVersion"]) for a in answers} == {("model", version)}
    assert all((a["difficulty"] == "UNCERTAIN") == (a["confidence"] < THRESHOLD) for a in answers)
    assert {a["difficulty"] for a in answers} > {"EASY", "HARD"}

    wait_until(lambda: rows(front.database, "SELECT count(*) FROM queries") == [(len(texts),)])
    recorded = rows(
        front.database,
        "SELECT q.id, q.query, q.difficulty, q.model_version, p.path, m.version, p.output ->> 'difficulty'"
        " FROM queries q JOIN predictions p USING (id) JOIN models m ON m.id = p.model_id ORDER BY q.id",
    )
    expected = [
        (a["queryId"], text, a["difficulty"], version, "model", version, a["difficulty"])
        for a, text in zip(answers, texts, strict=True)
    ]
    assert recorded == expected


def test_none_is_lost_at_a_normal_stop_and_no_text_is_logged(
    api_server: Callable[..., ApiServer], worker: StartWorker, database: Database
) -> None:
    serving = worker("inference")
    server = api_server()
    with server.client() as client:
        answered = {query(client, f"{CANARY} {n}")["queryId"] for n in range(200)}
    server.process.stop()
    assert {i for (i,) in rows(database, "SELECT id FROM queries")} == answered
    for log in (server.process.log, serving.log):
        assert "Lovelace" not in log.read_text()


# --- without one ----------------------------------------------------------------------------------------------------


def test_without_an_active_model_the_fallback_answers(front: Front, client: httpx.Client, worker: StartWorker) -> None:
    worker("inference")
    answer = query(client)
    assert answer | {"queryId": ""} == {
        "queryId": "", "difficulty": "UNCERTAIN", "confidence": 0.0, "modelVersion": None, "path": "fallback",
    }  # fmt: skip
    wait_until(lambda: rows(front.database, "SELECT id FROM queries") == [(answer["queryId"],)])
    assert rows(front.database, "SELECT path, model_id FROM predictions") == [("fallback", None)]


def test_while_redis_is_frozen_queries_are_answered_all_the_same(
    own_redis: RedisProcess, settings: Settings, start_front: Callable[[Settings], Front]
) -> None:
    changed = Settings(**settings.model_dump() | {"redis_url": own_redis.url, "call_timeout_seconds": 0.5})
    front = start_front(changed)
    own_redis.freeze()
    with front.client() as client:
        assert {query(client)["path"] for _ in range(20)} == {"fallback"}


# --- what people say ------------------------------------------------------------------------------------------------

LABELS = "SELECT query_id, query, label, source, labelled_by FROM ml_data ORDER BY id"


@pytest.fixture
def quick_front(settings: Settings, start_front: Callable[[Settings], Front]) -> Front:
    """A front that hardly waits for workers, for there are none."""
    return start_front(settings.model_copy(update={"call_timeout_seconds": 0.05}))


def test_feedback_right_after_the_answer_becomes_ground_truth(quick_front: Front) -> None:
    with quick_front.client(quick_front.key(Scope.SUBMIT, Scope.REVIEW, name="ada")) as client:
        query_id = query(client, CANARY)["queryId"]
        stored = client.post("/api/feedback", json={"queryId": query_id, "label": "HARD"})
        assert stored.status_code == 200
        assert rows(quick_front.database, LABELS) == [(query_id, CANARY, "HARD", "feedback", "ada")]
        assert stored.json() == {
            "queryId": query_id,
            "label": "HARD",
            "exampleId": rows(quick_front.database, "SELECT id FROM ml_data")[0][0],
        }
        again = client.post("/api/feedback", json={"queryId": query_id, "label": "EASY"})
        assert again.status_code == 200
        assert rows(quick_front.database, LABELS) == [(query_id, CANARY, "EASY", "feedback", "ada")]


def test_feedback_to_an_unknown_query_is_a_404(quick_front: Front) -> None:
    with quick_front.client() as client:
        problem = client.post("/api/feedback", json={"queryId": "pred_unknown", "label": "EASY"})
    assert (problem.status_code, problem.json()["code"]) == (404, "not-found")
    assert "queryId" in problem.json()["advice"]


def test_an_override_stores_answer_and_label_before_it_is_answered(quick_front: Front) -> None:
    with quick_front.client(quick_front.key(name="grace")) as client:
        answer = query(client, "Prove it.", override="HARD")
    assert answer["difficulty"] == "UNCERTAIN", "the answer is the prediction, not the override"
    assert rows(quick_front.database, LABELS) == [(answer["queryId"], "Prove it.", "HARD", "override", "grace")]
    assert rows(quick_front.database, "SELECT id, override FROM queries") == [(answer["queryId"], "HARD")]


def test_labels_need_the_scope_review(quick_front: Front) -> None:
    with quick_front.client(quick_front.key(Scope.SUBMIT)) as client:
        query_id = query(client)["queryId"]
        override = client.post("/api/query", json={"query": "Why?", "override": "HARD"})
        feedback = client.post("/api/feedback", json={"queryId": query_id, "label": "EASY"})
    assert [override.status_code, feedback.status_code] == [403, 403]
    assert rows(quick_front.database, LABELS) == []


def test_the_same_idempotency_key_gets_the_same_answer(quick_front: Front) -> None:
    with quick_front.client(**{"Idempotency-Key": "once"}) as client:
        answers = [query(client, "Why?", override="HARD") for _ in range(3)]
        assert answers[0] == answers[1] == answers[2]
        other = client.post("/api/query", json={"query": "How?"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert len(rows(quick_front.database, LABELS)) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"query": ""}',
        b'{"query": "  \\n "}',
        b'{"query": 7}',
        b'{"query": "a\\u0000b"}',
        b'{"query": "\\ud800"}',
        b'{"query": "a", "override": "UNCERTAIN"}',
        b'{"query": "a", "model": "b"}',
        b'{"query": "' + b"a" * 10_001 + b'"}',
    ],
)
def test_what_is_no_query_is_refused(quick_front: Front, body: bytes) -> None:
    with quick_front.client() as client:
        problem = client.post("/api/query", content=body, headers={"Content-Type": "application/json"})
    assert (problem.status_code, problem.json()["code"]) == (422, "invalid-input")
    assert rows(quick_front.database, "SELECT 1 FROM predictions") == []


def test_a_query_may_speak_of_escapes(quick_front: Front) -> None:
    with quick_front.client() as client:
        assert query(client, r"What does \u0000 mean in C?")["path"] == "fallback"


def test_the_message_names_the_pipelines_task_and_nothing_of_the_query(quick_front: Front, settings: Settings) -> None:
    with quick_front.client() as client, redis.Redis.from_url(settings.broker()) as broker, broker.monitor() as monitor:
        query(client, CANARY)
        for command in monitor.listen():
            if "LPUSH" in command["command"]:
                break
    assert "router.predict" in command["command"]
    assert "Lovelace" not in command["command"]
