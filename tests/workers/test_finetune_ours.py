"""The same pipeline, trained by our own trainer because no other provider is set: real processes from end to end."""

from collections.abc import Callable, Iterator

import pytest

from shared import registry
from shared.contracts import JobState
from shared.db.pool import get_database
from shared.settings import Settings, get_settings
from shared.stack.process import ChildProcess
from tests.shared.loop.conftest import TuningSchool
from tests.support.processes import ApiServer
from tests.support.pupil import PUPIL
from tests.support.waiting import wait_until
from tests.workers.conftest import QUICK

_REMEMBERED = (get_settings, registry.pipelines, registry.steps)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | QUICK | {"TUNEYARD_PIPELINES": PUPIL, "LLM_SWEEP_SECONDS": "1"}


@pytest.fixture
def tuning(settings: Settings) -> Iterator[TuningSchool]:
    for remembered in _REMEMBERED:
        remembered.cache_clear()
    yield TuningSchool(get_database())
    for remembered in _REMEMBERED:
        remembered.cache_clear()


@pytest.mark.slow(19)
def test_without_a_provider_our_own_trainer_trains(
    tuning: TuningSchool, api_server: Callable[..., ApiServer], workers: Callable[..., list[ChildProcess]]
) -> None:
    front = api_server()
    workers("sweeps", "beat", "gpu", "finetune", TUNEYARD_URL=front.url, TUNEYARD_KEY=front.key)
    tuning.label(60)
    tuning.run("freeze")
    job_id = tuning.submit("finetune", live=True)  # the relay sends it
    wait_until(lambda: tuning.job(job_id).is_final, timeout=90)
    job = tuning.job(job_id)
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result is not None
    (run,) = tuning.runs()
    assert (run.provider, run.base_model, run.cost_usd) == ("local", "local-nearest", 0.0)
    model = tuning.model(job.result["model_id"])
    assert model.parameters["provider_model"].startswith("ft:local-nearest:")
    with tuning.database.reading() as conn:
        trained = conn.execute("SELECT state FROM jobs WHERE kind = 'llm.train-local'").fetchall()
    assert trained == [("succeeded",)]
