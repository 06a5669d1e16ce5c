"""The fault-injecting provider itself: the official client is content with it, and its faults are what they say."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from jsonschema import Draft202012Validator
from openai.types.fine_tuning import FineTuningJob

from tests.support.fault_provider import Fault, FaultProvider
from tests.support.shared_data import shared_data

SUBSET = shared_data("openai-openapi", "subset.json")
LINES = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n' * 10


@pytest.fixture
def provider() -> Iterator[FaultProvider]:
    with FaultProvider() as provider:
        yield provider


@pytest.fixture
def client(provider: FaultProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.url, api_key="any", max_retries=0, timeout=0.5) as client:
        yield client


def create(client: openai.OpenAI, run: str = "pj_1") -> FineTuningJob:
    file = client.files.create(file=("train.jsonl", LINES), purpose="fine-tune")
    return client.fine_tuning.jobs.create(
        model="gpt-6-mini", training_file=file.id, metadata={"tuneyard_run": run}, suffix="gold", seed=7,
        method={"type": "supervised"},
    )  # fmt: skip


def test_a_job_goes_from_upload_to_a_model(provider: FaultProvider, client: openai.OpenAI) -> None:
    provider.auto = True
    job = create(client)
    assert provider.files[job.training_file].data == LINES
    assert client.files.content(job.training_file).read() == LINES
    seen = [client.fine_tuning.jobs.retrieve(job.id) for _ in range(6)]
    assert [one.status for one in seen] == ["queued", "running", "running", "running", "running", "succeeded"]
    assert "gold" in str(seen[-1].fine_tuned_model)
    assert seen[-1].trained_tokens == 3000
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=2))
    assert [event.data["step"] for event in events if event.type == "metrics"] == [3, 2, 1]  # type: ignore[index]
    assert len(list(client.fine_tuning.jobs.checkpoints.list(job.id))) == 3
    assert str(seen[-1].fine_tuned_model) in {model.id for model in client.models.list()}


def test_lists_are_filtered_and_paged(provider: FaultProvider, client: openai.OpenAI) -> None:
    ids = provider.add_jobs(250, metadata=lambda n: {"tuneyard_run": f"pj_{n % 2}"})
    assert [job.id for job in client.fine_tuning.jobs.list(limit=100)] == ids[::-1]
    assert provider.count("list") == 3
    assert [job.id for job in client.fine_tuning.jobs.list(metadata={"tuneyard_run": "pj_0"})] == ids[::-1][1::2]


def test_accepted_jobs_may_come_late_into_lists(provider: FaultProvider, client: openai.OpenAI) -> None:
    provider.lag(lists=2)
    job = create(client)
    assert [len(client.fine_tuning.jobs.list().data) for _ in range(3)] == [0, 0, 1]
    assert client.fine_tuning.jobs.retrieve(job.id).id == job.id


@pytest.mark.parametrize(
    ("fault", "error", "accepted"),
    [
        (Fault.BUSY, openai.RateLimitError, 0),
        (Fault.ERROR_BEFORE, openai.InternalServerError, 0),
        (Fault.ERROR_AFTER, openai.InternalServerError, 1),
        (Fault.DROP_BEFORE, openai.APIConnectionError, 0),
        (Fault.DROP_AFTER, openai.APIConnectionError, 1),
        (Fault.SLOW_BEFORE, openai.APITimeoutError, 0),
        (Fault.SLOW_AFTER, openai.APITimeoutError, 1),
        (Fault.CUT_AFTER, openai.APIConnectionError, 1),
        (Fault.TIMEOUT_AFTER, openai.APIStatusError, 1),
        (Fault.CONFLICT_BEFORE, openai.ConflictError, 0),
        (Fault.REJECTED, openai.BadRequestError, 0),
        (Fault.UNAUTHORIZED, openai.AuthenticationError, 0),
        (Fault.CLOSED, openai.PermissionDeniedError, 0),
    ],
)
def test_faults_are_what_they_say(
    provider: FaultProvider, client: openai.OpenAI, fault: Fault, error: type[Exception], accepted: int
) -> None:
    provider.fail("create", fault)
    with pytest.raises(error):
        create(client)
    assert len(provider.jobs) == accepted
    assert create(client).status == "validating_files"


def test_an_answer_may_be_no_json(provider: FaultProvider, client: openai.OpenAI) -> None:
    provider.fail("create", Fault.GARBAGE_AFTER)
    assert not isinstance(create(client), FineTuningJob)
    assert len(provider.jobs) == 1


def test_faults_may_be_skipped_to_repeated_and_healed(provider: FaultProvider, client: openai.OpenAI) -> None:
    provider.fail("models", Fault.BUSY, times=None, skip=1, retry_after="0.5")
    client.models.list()
    for _ in range(3):
        with pytest.raises(openai.RateLimitError) as caught:
            client.models.list()
    assert caught.value.response.headers["retry-after"] == "0.5"
    provider.heal()
    client.models.list()


@pytest.mark.parametrize("status", ["queued", "succeeded", "failed", "safety", "cancelled", "paused"])
def test_only_what_was_trained_is_billed(provider: FaultProvider, client: openai.OpenAI, status: str) -> None:
    job = create(client)
    provider.advance(job.id, status)
    assert provider.job(job.id).billed == (status not in {"failed", "cancelled"})
    if status in {"succeeded", "failed", "safety", "cancelled"}:
        with pytest.raises(openai.BadRequestError):
            client.fine_tuning.jobs.cancel(job.id)
    else:
        assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"


def schema(name: str) -> Draft202012Validator:
    spec = json.loads(SUBSET.read_text())
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": spec["components"]})


@pytest.mark.skipif(not SUBSET.exists(), reason="the shared data is not beside this checkout")
def test_answers_fit_the_published_description(provider: FaultProvider, client: openai.OpenAI) -> None:
    raw: Callable[[str], Any] = lambda path: json.loads(client.get(path, cast_to=openai.BaseModel).model_dump_json())  # noqa: E731
    job = create(client)
    for _ in range(2):
        provider.job(job.id).look()
    provider.job(job.id).look()
    jobs = f"/fine_tuning/jobs/{job.id}"
    schema("ListPaginatedFineTuningJobsResponse").validate(raw("/fine_tuning/jobs"))
    schema("FineTuningJob").validate(raw(jobs))
    schema("ListFineTuningJobEventsResponse").validate(raw(f"{jobs}/events"))
    schema("ListFineTuningJobCheckpointsResponse").validate(raw(f"{jobs}/checkpoints"))
    schema("ListModelsResponse").validate(raw("/models"))
    schema("OpenAIFile").validate(raw(f"/files/{job.training_file}"))
    for status in ("succeeded", "safety", "cancelled"):
        provider.advance(job.id, status)
        schema("FineTuningJob").validate(raw(jobs))
    said = client.chat.completions.create(model="gpt-6-mini", messages=[{"role": "user", "content": "hello"}])
    schema("CreateChatCompletionResponse").validate(json.loads(said.model_dump_json(exclude_unset=True)))
    vectors = client.embeddings.create(model="gpt-6-mini", input=["a", "b"], encoding_format="float")
    schema("CreateEmbeddingResponse").validate(json.loads(vectors.model_dump_json(exclude_unset=True)))


def test_completions_stream_too(provider: FaultProvider, client: openai.OpenAI) -> None:
    provider.answer = lambda asked: f"you said {asked['messages'][0]['content']}"
    stream = client.chat.completions.create(
        model="gpt-6-mini", messages=[{"role": "user", "content": "a longer sentence"}], stream=True
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "you said a longer sentence"


def test_it_is_light(provider: FaultProvider) -> None:
    """500 requests a second and more: what it can do is measured without the official client, which is slower."""
    import http.client

    provider.add_jobs(1, metadata=lambda _: {})
    asked = 300

    def ask() -> None:
        connection = http.client.HTTPConnection(provider.url.removeprefix("http://").removesuffix("/v1"))
        for _ in range(asked):
            connection.request("GET", "/v1/fine_tuning/jobs")
            connection.getresponse().read()
        connection.close()

    begin = time.monotonic()
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 2 * asked / (time.monotonic() - begin) > 300
