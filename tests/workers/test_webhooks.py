"""A webhook of the provider, the real front and the real worker: the fine-tune is taken home at once, with no sweep."""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from shared import registry
from shared.contracts import JobState
from shared.db.pool import get_database
from shared.llm.webhooks import sign
from shared.settings import Settings, get_settings
from shared.stack.process import ChildProcess
from tests.shared.loop.conftest import TuningSchool
from tests.support.fault_provider import FaultProvider
from tests.support.processes import ApiServer
from tests.support.pupil import PUPIL
from tests.support.waiting import wait_until

SECRET = "whsec_c2VjcmV0"
_REMEMBERED = (get_settings, registry.pipelines, registry.steps)


@pytest.fixture
def provider() -> Iterator[FaultProvider]:
    with FaultProvider() as server:
        yield server


@pytest.fixture
def environment(environment: dict[str, str], provider: FaultProvider) -> dict[str, str]:
    return environment | {
        "TUNEYARD_PIPELINES": PUPIL, "OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "any",
        "OPENAI_WEBHOOK_SECRET": SECRET,
    }  # fmt: skip


@pytest.fixture
def tuning(settings: Settings) -> Iterator[TuningSchool]:
    for remembered in _REMEMBERED:
        remembered.cache_clear()
    yield TuningSchool(get_database())
    for remembered in _REMEMBERED:
        remembered.cache_clear()


def test_a_fine_tune_is_taken_home_when_the_provider_says_so(
    tuning: TuningSchool,
    provider: FaultProvider,
    worker: Callable[..., ChildProcess],
    api_server: Callable[..., ApiServer],
) -> None:
    tuning.label(60)
    tuning.run("freeze")
    worker("finetune")  # and nothing else: neither beat nor sweeps
    with api_server().client() as client:
        job_id = client.post("/v1/pupil/finetune", json={"live": True}).json()["id"]
        wait_until(lambda: tuning.job(job_id).state is JobState.WAITING, timeout=60)
        (remote,) = provider.jobs
        provider.advance(remote.id, "succeeded")
        body = json.dumps({"id": "evt_1", "type": "fine_tuning.job.succeeded", "data": {"id": remote.id}}).encode()
        timestamp = str(int(time.time()))
        headers = {
            "webhook-id": "wh_1",
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(body, message_id="wh_1", timestamp=timestamp, secret=SECRET),
        }
        assert client.post("/v1/webhooks/openai", content=body, headers=headers).status_code == 204
        wait_until(lambda: tuning.job(job_id).is_final, timeout=20)
    assert tuning.job(job_id).state is JobState.SUCCEEDED, tuning.job(job_id).error
    assert provider.count("create") == 1
