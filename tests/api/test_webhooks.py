"""``POST /v1/webhooks/openai``: a signed message wakes the job that waits for a fine-tune, at once."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
import redis
from pydantic import SecretStr

from shared.llm.webhooks import MAX_BODY, sign
from shared.settings import Settings, get_settings
from tests.api.conftest import Front
from tests.support.provider_runs import add_run
from tests.support.waiting import wait_until
from workers.dispatch import queue_key

PATH = "/v1/webhooks/openai"
SECRET = "whsec_c2VjcmV0"


@pytest.fixture
def front_settings(settings: Settings, probe_pipeline: None) -> Settings:
    return get_settings().model_copy(update={"openai_webhook_secret": SecretStr(SECRET)})


def body(job_id: str = "ftjob-1", kind: str = "fine_tuning.job.succeeded") -> bytes:
    return json.dumps(
        {"id": "evt_1", "object": "event", "type": kind, "created_at": 1, "data": {"id": job_id}}
    ).encode()


def send(front: Front, content: bytes, *, secret: str = SECRET, age: float = 0) -> httpx.Response:
    timestamp = str(int(time.time() - age))
    headers = {
        "webhook-id": "wh_1",
        "webhook-timestamp": timestamp,
        "webhook-signature": sign(content, message_id="wh_1", timestamp=timestamp, secret=secret),
        "content-type": "application/json",
    }
    return httpx.post(front.url + PATH, content=content, headers=headers, trust_env=False)


@pytest.mark.parametrize("kind", ["succeeded", "failed", "cancelled"])
def test_a_signed_message_wakes_the_job_at_once(front: Front, redis_url: str, kind: str) -> None:
    with front.database.transaction() as conn:
        run = add_run(conn, server="s")
    assert send(front, body(kind=f"fine_tuning.job.{kind}")).status_code == 204
    assert run.job_id
    assert front.job(run.job_id).run_at <= datetime.now(UTC)
    with redis.Redis.from_url(redis_url) as broker:
        wait_until(lambda: broker.llen(queue_key("finetune")))
    assert send(front, body()).status_code == 204  # again: it is awake already


def test_what_is_not_signed_wakes_nobody(front: Front) -> None:
    with front.database.transaction() as conn:
        run = add_run(conn, server="s")
    answers = [
        send(front, body(), secret="whsec_d3Jvbmc="),
        send(front, body(), age=3600),
        httpx.post(front.url + PATH, content=body(), trust_env=False),
        httpx.post(
            front.url + PATH, content=body(), headers={"authorization": f"Bearer {front.key()}"}, trust_env=False
        ),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert "ftjob-1" not in answer.text
    assert run.job_id
    assert front.job(run.job_id).run_at > datetime.now(UTC)


def test_a_job_that_nobody_waits_for_is_answered_alike(front: Front) -> None:
    for content in (body("ftjob-unknown"), body(kind="batch.completed")):
        answer = send(front, content)
        assert (answer.status_code, answer.content) == (204, b"")


def test_what_is_signed_but_broken_is_refused(front: Front) -> None:
    assert send(front, b"{}").status_code == 422
    assert send(front, b'{"type": "fine_tuning.job.failed", "data": {"id": "\\u0000"}}').status_code == 422
    assert send(front, b" " * (MAX_BODY + 1)).status_code == 413
    assert send(front, b"[" * 1000).status_code == 413


def test_without_a_secret_none_is_taken(front: Front, start_front: Callable[[Settings], Front]) -> None:
    answer = send(start_front(get_settings()), body())
    assert answer.status_code == 404
    assert "OPENAI_WEBHOOK_SECRET" in answer.json()["advice"]
