"""Our own provider side over our own API: what pipelines do when no key for OpenAI is set."""

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from shared.contracts import Scope
from shared.llm.connection import LOCAL, Provider
from shared.llm.fine_tunes import CANCELLED, RUN_KEY, SUCCEEDED, Closed, CreateRequest, Rejected
from shared.llm.openai_fine_tunes import OpenAIFineTunes
from tests.api.openai.conftest import PREFIX, Shop

Ours = Callable[..., OpenAIFineTunes]


@pytest.fixture
def provider(shop: Shop) -> Iterator[Ours]:
    with ExitStack() as made:

        def provider(*scopes: Scope) -> OpenAIFineTunes:
            key = shop.front.key(*scopes or [Scope.SUBMIT])
            ours = Provider(name=LOCAL, base_url=shop.front.url + PREFIX, api_key=key)
            return made.enter_context(OpenAIFineTunes(ours))

        yield provider


def request(file: str, run: str = "pj_1", model: str = "local-nearest") -> CreateRequest:
    return CreateRequest(
        model=model, training_file=file, suffix="gold", method="supervised", metadata={RUN_KEY: run}, seed=1
    )


def test_a_run_is_created_found_followed_and_ends(shop: Shop, provider: Ours, colours: bytes) -> None:
    ours = provider()
    file = ours.upload(io.BytesIO(colours), "train_openai.jsonl")
    created = ours.create(request(file))
    assert ours.find("pj_1") == [ours.retrieve(created.id)]
    assert ours.find("pj_2") == []
    shop.work()
    (jobs, more) = ours.page()
    assert ([job.id for job in jobs], more) == ([created.id], False)
    assert (jobs[0].status, jobs[0].run_id) == (SUCCEEDED, "pj_1")
    assert jobs[0].fine_tuned_model
    assert jobs[0].trained_tokens
    told = ours.events(created.id)
    assert {event.step for event in told} >= {1, 2}
    assert all(event.loss is not None for event in told if event.step)


def test_a_run_is_cancelled(shop: Shop, provider: Ours, colours: bytes) -> None:
    ours = provider()
    created = ours.create(request(ours.upload(io.BytesIO(colours), "a.jsonl")))
    assert ours.cancel(created.id).status == CANCELLED
    with pytest.raises(Rejected):
        ours.cancel(created.id)


def test_a_refusal_is_known_as_one(shop: Shop, provider: Ours, colours: bytes) -> None:
    ours = provider()
    file = ours.upload(io.BytesIO(colours), "a.jsonl")
    with pytest.raises(Rejected):
        ours.create(request(file, model="gpt-4o-mini-2024-07-18"))
    with pytest.raises(Rejected):
        ours.retrieve("ftjob-unknown")
    with pytest.raises(Closed):
        provider(Scope.REVIEW).create(request(file))
