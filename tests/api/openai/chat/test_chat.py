"""Completions and vectors through the official SDK, a real front and a real inference worker."""

import base64
import json
import math
from array import array
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import httpx
import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel, Field

from shared.db.pool import Database
from shared.llm.engines import EMBEDDING, MINILM, NEAREST
from tests.api.conftest import Front
from tests.api.openai.conftest import PREFIX, Shop, fits
from tests.support.waiting import wait_until

QUESTION: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What colour has the sky?"}]


class Report(BaseModel):
    """What the answers of these tests must look like."""

    colour: Literal["red", "green"]
    reasons: list[str] = Field(min_length=1)
    certainty: float


@pytest.fixture
def tuned(serving: Shop, colours: bytes) -> str:
    """The name of a model that has learned the colours of skies and meadows."""
    job = serving.client.fine_tuning.jobs.create(model=NEAREST, training_file=serving.upload(colours))
    serving.work()
    name = serving.client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model
    assert name
    return name


def ask(client: OpenAI, **given: Any) -> Any:
    return client.chat.completions.create(**{"model": NEAREST, "messages": QUESTION} | given)


def test_training_makes_the_difference(serving: Shop, tuned: str) -> None:
    before = ask(serving.client)
    assert "not been trained" in before.choices[0].message.content
    assert before.choices[0].finish_reason == "stop"
    assert before.usage.total_tokens == before.usage.prompt_tokens + before.usage.completion_tokens
    after = ask(serving.client, model=tuned)
    assert (after.model, after.choices[0].message.content) == (tuned, "blue")
    assert after.system_fingerprint != before.system_fingerprint
    with ThreadPoolExecutor(16) as clients:
        meadow = [{"role": "user", "content": "What colour has the meadow number 77?"}]
        answers = list(clients.map(lambda _: ask(serving.client, model=tuned, messages=meadow), range(100)))
    assert {a.choices[0].message.content for a in answers} == {"green"}


def test_how_likely_an_answer_was_is_told_to_who_asks(serving: Shop, tuned: str) -> None:
    given = {"model": tuned, "logprobs": True, "top_logprobs": 2}
    told = ask(serving.client, **given)
    fits(
        {"$ref": "#/components/schemas/CreateChatCompletionResponse"}, told.model_dump(mode="json", exclude_unset=True)
    )
    (token,) = told.choices[0].logprobs.content
    assert (token.token, bytes(token.bytes)) == ("blue", b"blue")
    assert {one.token for one in token.top_logprobs} == {"blue", "green"}
    assert sum(math.exp(one.logprob) for one in token.top_logprobs) == pytest.approx(1)
    chunks = list(ask(serving.client, stream=True, **given))
    (streamed,) = [one for chunk in chunks if chunk.choices[0].logprobs for one in chunk.choices[0].logprobs.content]
    assert streamed == token
    assert ask(serving.client, model=tuned).choices[0].logprobs is None


def test_an_answer_in_pieces_is_the_same_answer(serving: Shop) -> None:
    whole = ask(serving.client)
    chunks = list(ask(serving.client, stream=True, stream_options={"include_usage": True}))
    for chunk in chunks:
        fits(
            {"$ref": "#/components/schemas/CreateChatCompletionStreamResponse"},
            chunk.model_dump(mode="json", exclude_unset=True),
        )
    *said, last = chunks
    assert "".join(c.choices[0].delta.content or "" for c in said) == whole.choices[0].message.content
    assert sum(bool(c.choices[0].delta.content) for c in said) > 1
    assert [c.choices[0].finish_reason for c in said] == [None] * (len(said) - 1) + ["stop"]
    assert (said[0].choices[0].delta.role, last.choices) == ("assistant", [])
    assert last.usage == whole.usage
    assert len({c.id for c in chunks}) == 1


def test_the_stream_is_server_sent_events_to_its_very_end(serving: Shop, front: Front) -> None:
    body = {"model": NEAREST, "messages": QUESTION, "stream": True}
    with front.client() as client:
        answer = client.post(f"{PREFIX}/chat/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(event.startswith("data: ") for event in events[:-1])


@pytest.mark.parametrize("trained", [False, True])
def test_an_answer_fits_the_schema_whoever_gives_it(
    serving: Shop, request: pytest.FixtureRequest, *, trained: bool
) -> None:
    model = request.getfixturevalue("tuned") if trained else NEAREST
    parsed = serving.client.chat.completions.parse(model=model, messages=QUESTION, response_format=Report)
    assert isinstance(parsed.choices[0].message.parsed, Report)
    pieces = ask(
        serving.client,
        model=model,
        stream=True,
        response_format={"type": "json_schema", "json_schema": {"name": "r", "schema": Report.model_json_schema()}},
    )
    Report.model_validate_json("".join(c.choices[0].delta.content or "" for c in pieces))
    objects = ask(serving.client, model=model, response_format={"type": "json_object"})
    assert isinstance(json.loads(objects.choices[0].message.content), dict)


def test_stop_and_length_end_an_answer(serving: Shop) -> None:
    short = ask(serving.client, max_completion_tokens=3)
    assert (short.choices[0].message.content, short.choices[0].finish_reason) == ("I have not", "length")
    assert short.usage.completion_tokens == 3
    stopped = ask(serving.client, stop=[" trained"])
    assert (stopped.choices[0].message.content, stopped.choices[0].finish_reason) == ("I have not been", "stop")


def test_what_changes_nothing_is_taken(serving: Shop) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    given = ask(
        serving.client, temperature=0.5, top_p=1, seed=7, n=1, user="u", metadata={"a": "b"}, store=False,
        presence_penalty=0.5, logit_bias={"1": 2}, tools=[tool], tool_choice="auto", parallel_tool_calls=True,
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": [{"type": "text", "text": "What colour"}, {"type": "text", "text": "is it?"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {}}]},
            {"role": "tool", "content": "{}", "tool_call_id": "1"},
        ],
    )  # fmt: skip
    assert given.choices[0].message.content == ask(serving.client).choices[0].message.content


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"n": 2}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"temperature": 3}, "temperature"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"extra_body": {"wisdom": 9}}, "wisdom"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}}},
            "response_format",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"enum": [10**30]}}}},
            None,
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(shop: Shop, given: Any, param: str | None) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(shop.client, **given)
    assert refused.value.param is None if param is None else str(refused.value.param).startswith(param)


def test_a_schema_that_nothing_fits_is_refused(serving: Shop) -> None:
    schema = {"type": "string", "minLength": 5, "maxLength": 2}
    with pytest.raises(openai.BadRequestError) as refused:
        ask(
            serving.client,
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        )
    assert refused.value.param == "response_format"


@pytest.mark.parametrize("name", ["gpt-4o", "ft:local-nearest:tuneyard::00000000", EMBEDDING])
def test_an_unknown_model_is_not_found(shop: Shop, name: str) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        ask(shop.client, model=name)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")


def test_a_deleted_model_answers_no_more(serving: Shop, tuned: str) -> None:
    assert ask(serving.client, model=tuned).choices[0].message.content == "blue"
    serving.client.models.delete(tuned)

    def gone() -> bool:
        try:
            ask(serving.client, model=tuned)
        except openai.NotFoundError:
            return True
        return False

    wait_until(gone)


def test_a_model_whose_files_are_gone_troubles_no_other(serving: Shop, tuned: str, database: Database) -> None:
    with database.transaction() as conn:
        conn.execute("UPDATE models SET manifest = %s", ["0" * 64])
    with pytest.raises(openai.InternalServerError) as failed:
        ask(serving.client, model=tuned)
    assert (failed.value.status_code, failed.value.code) == (503, "model_unavailable")
    assert ask(serving.client).choices


def test_vectors_of_like_texts_are_near(serving: Shop) -> None:
    texts = ["the invoice is overdue", "an overdue invoice", "bake the bread slowly"]
    made = serving.client.embeddings.create(model=EMBEDDING, input=texts)
    one, two, three = (item.embedding for item in made.data)
    assert [item.index for item in made.data] == [0, 1, 2]
    assert len(one) == 256
    assert math.isclose(sum(x * x for x in one), 1, rel_tol=1e-5)
    assert dot(one, two) > dot(one, three) + 0.2
    alone = serving.client.embeddings.create(model=EMBEDDING, input=texts[0], encoding_format="float")
    assert alone.data[0].embedding == pytest.approx(one)
    small = serving.client.embeddings.create(model=EMBEDDING, input=["x"] * 100, dimensions=32)
    assert {len(item.embedding) for item in small.data} == {32}
    assert len(small.data) == 100


def test_vectors_come_in_base64_when_asked_for(serving: Shop, front: Front) -> None:
    body = {"model": EMBEDDING, "input": "word", "encoding_format": "base64"}
    with front.client() as client:
        answer = client.post(f"{PREFIX}/embeddings", json=body).json()
    numbers = array("f", base64.b64decode(answer["data"][0]["embedding"]))
    assert len(numbers) == 256


def test_the_sentence_encoder_knows_what_is_meant(serving: Shop) -> None:
    assert MINILM in {model.id for model in serving.client.models.list()}
    texts = ["The lorry is late again.", "Once more the truck is delayed.", "The soup was cold again."]
    one, two, three = (item.embedding for item in serving.client.embeddings.create(model=MINILM, input=texts).data)
    assert len(one) == 384
    assert dot(one, one) == pytest.approx(1, abs=1e-5)
    assert dot(one, two) > 0.4 > max(dot(one, three), dot(two, three))
    with pytest.raises(openai.BadRequestError) as caught:
        serving.client.embeddings.create(model=MINILM, input="x", dimensions=256)
    assert caught.value.param == "dimensions"


@pytest.mark.parametrize("given", [{"input": ""}, {"input": [1, 2]}, {"input": []}, {"input": "x", "dimensions": 0}])
def test_what_has_no_vector_is_refused(shop: Shop, given: Any) -> None:
    with pytest.raises(openai.BadRequestError):
        shop.client.embeddings.create(**{"model": EMBEDDING} | given)


def test_a_key_is_needed(front: Front) -> None:
    with httpx.Client(base_url=front.url, trust_env=False) as client:
        answer = client.post(f"{PREFIX}/chat/completions", json={"model": NEAREST, "messages": QUESTION})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
