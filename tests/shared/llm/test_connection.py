"""Who is asked for fine-tunes and completions, and with which key."""

import pytest

from shared.llm.connection import provider_of
from shared.llm.fine_tunes import CreateRequest, Rejected
from shared.llm.openai_fine_tunes import OpenAIFineTunes
from shared.settings import Settings
from tests.support.fault_jobs import JsonObject
from tests.support.small_http import Reply, SmallServer

OURS = "http://127.0.0.1:8000/openai/v1"


def settings(**values: str) -> Settings:
    return Settings.model_validate({"tuneyard_url": "", "openai_base_url": "", "openai_api_key": ""} | values)


@pytest.mark.parametrize(
    ("values", "name", "key"),
    [
        ({"tuneyard_url": "http://127.0.0.1:8000", "tuneyard_key": "ty_a"}, "local", "ty_a"),
        ({"openai_api_key": "sk-a"}, "openai", "sk-a"),
        ({"openai_base_url": "http://gpu.example/v1", "openai_api_key": "sk-a"}, "gpu.example", "sk-a"),
        ({"openai_base_url": OURS, "tuneyard_key": "ty_a", "openai_api_key": "ty_b"}, "local", "ty_b"),
    ],
)
def test_the_provider_that_settings_mean(values: dict[str, str], name: str, key: str) -> None:
    provider = provider_of(settings(**values))
    assert (provider.name, provider.api_key) == (name, key)


@pytest.mark.parametrize("own", ["ty_a", ""])
def test_our_own_trainer_never_sees_a_key_of_openai(own: str) -> None:
    left_over = settings(openai_base_url=OURS, openai_api_key="sk-left-over", tuneyard_key=own)
    assert provider_of(left_over).api_key == own


def test_a_base_model_that_is_not_trained_there_is_answered_by_what_to_name() -> None:
    body = b'{"error": {"message": "no", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}}'
    with (
        SmallServer(lambda _: Reply(status=404, body=body)) as server,
        OpenAIFineTunes(provider_of(settings(openai_base_url=f"{server.url}/v1"))) as remote,
    ):
        hyperparameters: JsonObject = {}
        request = CreateRequest(
            model="gpt-9", training_file="file-1", suffix="gold", metadata={}, method="supervised",
            hyperparameters=hyperparameters, seed=None,
        )  # fmt: skip
        with pytest.raises(Rejected, match="model_not_found") as caught:
            remote.create(request)
    assert "--base-model" in caught.value.advice
