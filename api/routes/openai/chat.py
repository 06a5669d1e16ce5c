"""``/openai/v1/chat/completions``: a conversation goes on, by a local model in the inference worker."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.deps import Front
from api.direct import DirectEndpoint, DirectRoute
from api.routes.openai import PREFIX
from api.routes.openai.chat_requests import ChatCompletionRequest
from api.routes.openai.errors import invalid, model_not_found
from api.routes.openai.views import Shape
from api.security import Principal
from api.wire import json_response
from shared.contracts import JsonObject, Scope
from shared.errors import InvalidInputError, RefusedError
from shared.ids import new_dashed_id
from shared.llm.engines.schemas import check_schema
from shared.llm.engines.text import count_tokens, pieces
from shared.llm.local_models import Address
from workers.addressees import LOCAL_MODELS

router = APIRouter(prefix=PREFIX, tags=["openai"], include_in_schema=False)

_PER_MESSAGE: Final = 4  # tokens around a message, as OpenAI counts them
_FINGERPRINT: Final = 12


@dataclass(frozen=True, kw_only=True)
class _Completion:
    """An answer, and what every piece of it is sent with."""

    id: str
    created: int
    model: str
    fingerprint: str
    text: str
    finish_reason: str
    usage: JsonObject
    tokens: list[JsonObject] | None
    """How likely they were; None: nobody asked."""

    def said(self, kind: str, choices: list[JsonObject], **more: Any) -> JsonObject:
        """Return an object of OpenAI's, with what they all have."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
            "service_tier": "default",
            "system_fingerprint": self.fingerprint,
            **more,
        }

    def whole(self) -> JsonObject:
        """Return the answer at once."""
        message: JsonObject = {"role": "assistant", "content": self.text, "refusal": None, "annotations": []}
        choice = {
            "index": 0,
            "message": message,
            "logprobs": _logprobs(self.tokens),
            "finish_reason": self.finish_reason,
        }
        return self.said("chat.completion", [choice], usage=self.usage)

    async def events(self, *, include_usage: bool) -> AsyncIterator[bytes]:
        """Yield the answer in pieces, as server-sent events."""
        usage: JsonObject = {"usage": None} if include_usage else {}
        tokens = iter(self.tokens or ())
        deltas: list[tuple[JsonObject, list[JsonObject] | None, str | None]] = [
            ({"role": "assistant", "content": "", "refusal": None}, None, None),
            *(({"content": piece}, list(islice(tokens, count_tokens(piece))), None) for piece in pieces(self.text)),
            ({}, None, self.finish_reason),
        ]
        for delta, likely, finish_reason in deltas:
            choice = {"index": 0, "delta": delta, "logprobs": _logprobs(likely), "finish_reason": finish_reason}
            yield _event(self.said("chat.completion.chunk", [choice], **usage))
        if include_usage:
            yield _event(self.said("chat.completion.chunk", [], usage=self.usage))
        yield b"data: [DONE]\n\n"


async def complete(request: Request, asked: ChatCompletionRequest, _who: Principal) -> Response:
    """Answer a conversation with a base model or a fine-tuned one; as a stream if that is asked for."""
    front: Front = request.app.state.front
    address = await front.addresses.chat_model(asked.model)
    if address is None:
        raise model_not_found(asked.model)
    try:
        answer = await front.caller.ask(LOCAL_MODELS, str(address), orjson.Fragment(_raw(asked)))
    except RefusedError as error:  # no answer fits the schema
        raise invalid(error.message, param="response_format", advice=error.advice) from None
    completion = _completion(asked, address, answer)
    if not asked.stream:
        return json_response(completion.whole())
    include_usage = asked.stream_options is not None and asked.stream_options.include_usage
    return StreamingResponse(
        completion.events(include_usage=include_usage),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache"},
    )


def _raw(asked: ChatCompletionRequest) -> bytes:
    """Return the JSON of the ``LocalRequest`` that is asked for. Raises InvalidInputError for a schema of no use."""
    chosen = asked.response_format
    raw: JsonObject = {
        "messages": [message.plain() for message in asked.messages],
        "max_tokens": asked.most_tokens,
        "stop": asked.stops,
    }
    if asked.top_logprobs is not None and not asked.logprobs:
        raise invalid("top_logprobs go with logprobs: true", param="top_logprobs")
    if asked.logprobs:
        raw["top_logprobs"] = asked.top_logprobs or 0
    if asked.stream_options is not None and not asked.stream:
        raise invalid("stream_options go with stream: true", param="stream_options")
    if chosen is not None and chosen.type == "json_object":
        raw["json_object"] = True
    elif chosen is not None and chosen.type == "json_schema":
        if chosen.json_schema is None:
            raise invalid("the schema is missing", param="response_format.json_schema")
        try:
            check_schema(chosen.json_schema.schema_)
        except InvalidInputError as error:
            raise invalid(error.message, param="response_format", advice=error.advice) from None
        raw["schema"] = chosen.json_schema.schema_
    try:
        return orjson.dumps(raw)
    except orjson.JSONEncodeError:
        raise invalid("the request holds a number over 64 bits, or half a character") from None


def _completion(asked: ChatCompletionRequest, address: Address, answer: JsonObject) -> _Completion:
    asked_tokens = sum(_PER_MESSAGE + count_tokens(message.plain()["content"]) for message in asked.messages)
    answer_tokens = count_tokens(answer["text"])
    return _Completion(
        id=new_dashed_id("chatcmpl"),
        created=int(time.time()),
        model=asked.model,
        fingerprint=f"fp_{(address.manifest or address.base_model)[:_FINGERPRINT]}",
        text=answer["text"],
        finish_reason=answer["finish_reason"],
        tokens=answer.get("tokens"),
        usage={
            "prompt_tokens": asked_tokens,
            "completion_tokens": answer_tokens,
            "total_tokens": asked_tokens + answer_tokens,
        },
    )


def _logprobs(tokens: list[JsonObject] | None) -> JsonObject | None:
    return {"content": tokens, "refusal": None} if tokens else None


def _event(value: JsonObject) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


router.add_api_route(
    "/chat/completions",
    DirectEndpoint(ChatCompletionRequest, Scope.SUBMIT, complete, returns=Shape),
    methods=["POST"],
    name="openai.chat.completions",
    response_model=None,
    route_class_override=DirectRoute,
)
