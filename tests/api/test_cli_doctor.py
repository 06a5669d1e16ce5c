"""``tuneyard llm doctor`` and ``resolve`` against the real front, a real worker and a provider on a real socket."""

from collections.abc import Callable, Iterator

import pytest

from shared.stack.process import ChildProcess
from tests.api.conftest import Front
from tests.support.command_line import CommandLine
from tests.support.fault_provider import FaultProvider
from tests.support.provider_runs import add_run


@pytest.fixture
def provider() -> Iterator[FaultProvider]:
    with FaultProvider() as provider:
        yield provider


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"TUNEYARD_PIPELINES": "tests.support.probe"}


def test_a_person_finds_a_lost_fine_tune_and_adopts_it(
    front: Front,
    provider: FaultProvider,
    worker: Callable[..., ChildProcess],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cli = CommandLine(front.url, front.key(), monkeypatch, capsys)
    worker("finetune", OPENAI_BASE_URL=provider.url, OPENAI_API_KEY="sk-canary")
    healthy = cli("llm", "doctor")
    assert healthy.stdout.endswith("all is as it should be\n")
    assert "we know 0 fine-tunes there; it lists 0 (0 not ours)" in healthy.stdout

    with front.database.transaction() as conn:
        run = add_run(conn, server=provider.url, up_to="create_unknown")
    (job_id,) = provider.add_jobs(1, metadata=lambda _: {"tuneyard_run": run.id})
    seen = cli("llm", "doctor", code=1)
    assert "[not-adopted]" in seen.stdout
    assert f"tuneyard llm resolve {run.id} --adopt {job_id}" in seen.stdout
    listed = cli("llm", "doctor", "--list", "--json", code=1).json
    assert [line["provider_job_id"] for line in listed["fine_tunes"]] == [job_id]

    assert f"goes on with {job_id}" in cli("llm", "resolve", run.id, "--adopt", job_id).stdout
    shown = cli("llm", "doctor", "--job-id", job_id)
    assert "Fine-tuning job started" in shown.stdout
    assert "canary" not in shown.stdout
    cli("llm", "doctor", "--job-id", "ftjob-nobody", code=1)
    cli("llm", "resolve", run.id, "--retry", code=1)
    for wrong in ((), ("--retry", "--give-up"), ("--adopt", "ftjob-1", "--retry")):
        assert "say one of" in cli("llm", "resolve", run.id, *wrong, code=2).stderr
