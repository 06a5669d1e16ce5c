"""Fine-tunes on the real worker of their queue, killed while the provider is being asked: paid once, one model."""

from collections.abc import Callable, Iterator

import pytest

from shared import registry
from shared.contracts import JobState
from shared.db.pool import get_database
from shared.registry import get_step
from shared.settings import Settings, get_settings
from shared.stack.process import ChildProcess
from tests.shared.loop.conftest import TuningSchool
from tests.support.fault_provider import Fault, FaultProvider
from tests.support.pupil import PUPIL
from tests.support.waiting import wait_until
from tests.workers.conftest import QUICK
from workers import dispatch
from workers.dispatch import WakeUp

Worker = Callable[..., ChildProcess]
Workers = Callable[..., list[ChildProcess]]
_REMEMBERED = (get_settings, registry.pipelines, registry.steps)


@pytest.fixture
def provider() -> Iterator[FaultProvider]:
    with FaultProvider() as server:
        yield server


@pytest.fixture
def environment(environment: dict[str, str], provider: FaultProvider) -> dict[str, str]:
    return environment | QUICK | {
        "TUNEYARD_PIPELINES": PUPIL, "OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "any", "LLM_SWEEP_SECONDS": "1",
    }  # fmt: skip


@pytest.fixture
def tuning(settings: Settings) -> Iterator[TuningSchool]:
    for remembered in _REMEMBERED:
        remembered.cache_clear()
    yield TuningSchool(get_database())
    for remembered in _REMEMBERED:
        remembered.cache_clear()


def _submit(tuning: TuningSchool) -> str:
    tuning.label(60)
    tuning.run("freeze")
    job_id = tuning.submit("finetune", live=True)
    dispatch.send_or_leave(tuning.database, [WakeUp(job_id, "pupil.finetune", get_step("pupil.finetune").queue)])
    return job_id


@pytest.mark.slow(20)
@pytest.mark.timeout(300)  # a lease runs out, and sweeps come by, on however busy a machine
@pytest.mark.parametrize("operation", ["upload", "create"])
def test_a_worker_killed_while_it_asks_the_provider_pays_once(
    tuning: TuningSchool, provider: FaultProvider, worker: Worker, workers: Workers, operation: str
) -> None:
    provider.fail(operation, Fault.SLOW_AFTER)
    first, *_ = workers("finetune", "sweeps", "beat")
    job_id = _submit(tuning)
    wait_until(lambda: provider.count(operation), timeout=60)
    first.kill()
    worker("finetune")
    wait_until(lambda: any(run.state == "polling" for run in tuning.runs()), timeout=60)
    (remote,) = provider.jobs
    provider.advance(remote.id, "running")
    remote.train_step(1)
    wait_until(lambda: tuning.job(job_id).counters.get("step"), timeout=90)
    provider.advance(remote.id, "succeeded")
    wait_until(lambda: tuning.job(job_id).is_final, timeout=90)  # the sweep wakes it: its own look is 10 minutes away
    job = tuning.job(job_id)
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.failures == 1
    assert provider.count("create") == 1
    assert [run.state for run in tuning.runs()] == ["succeeded"]
    assert job.result is not None
    assert tuning.model(job.result["model_id"]).parameters["provider_model"] == remote.record["fine_tuned_model"]
