"""Completions while no worker answers."""

from collections.abc import Callable

import openai
import pytest
from openai import OpenAI

from shared.llm.engines import NEAREST
from shared.stack.process import ChildProcess
from tests.api.openai.conftest import Shop
from tests.support.waiting import wait_until

StartWorker = Callable[..., ChildProcess]


def ask(client: OpenAI) -> openai.types.chat.ChatCompletion:
    return client.chat.completions.create(model=NEAREST, messages=[{"role": "user", "content": "Who is there?"}])


def test_without_a_worker_there_is_an_error_and_no_invented_answer(
    shop: Shop, worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.addressees.ForLocalModels.timeout_s", 0.3)
    with pytest.raises(openai.InternalServerError) as failed:
        ask(shop.client)
    assert (failed.value.status_code, failed.value.code) == (503, "model_unavailable")
    worker("inference")

    def answered() -> bool:
        try:
            return bool(ask(shop.client).choices)
        except openai.InternalServerError:
            return False

    wait_until(answered, timeout=30)
