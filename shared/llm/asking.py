"""One request for a completion: sent once, bounded, and its outcome put into one of a few classes."""

import math
import re
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from shared.errors import InvalidInputError
from shared.llm.chat import ChatRequest
from shared.llm.connection import OPENAI, Provider, client_of
from shared.llm.replies import Reply, VectorsReply
from shared.llm.structured import Bounds, strict_json, takes_strict

_TOO_MANY: Final = 429
_SERVER_ERRORS: Final = 500
_OVERLOADED: Final = 503
_QUOTA: Final = "insufficient_quota"
_CODE: Final = re.compile(r"[a-z0-9_.-]{1,64}")
_ENTRIES: Final = 10_000

A = TypeVar("A", bound=BaseModel)


class NoAnswerError(Exception):
    """There is no answer.

    ``again`` says whether asking again may help, ``called`` whether the model may have been at work, and ``unclear``
    whether that may have been billed. ``after_s`` is how long the provider asks to be left alone, 0 where it says
    nothing.
    """

    def __init__(
        self, why: str, *, again: bool = False, called: bool = False, unclear: bool = False, after_s: float = 0.0
    ) -> None:
        super().__init__(why)
        self.why = why
        self.again = again
        self.called = called
        self.unclear = unclear
        self.after_s = after_s


class Line:
    """A provider, asked one request at a time or several from threads."""

    def __init__(self, provider: Provider, *, max_answer_bytes: int, max_depth: int) -> None:
        from shared.llm.wire import bounded_client

        self._provider = provider
        self._client = client_of(provider, http_client=bounded_client(provider.base_url))
        weakref.finalize(self, self._client.close)  # whoever forgets it leaves no socket open
        self._size = max_answer_bytes
        self._bounds = Bounds(characters=max_answer_bytes, depth=max_depth, entries=_ENTRIES)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def ask(self, request: ChatRequest, *, timeout_s: float) -> Reply:
        """Send a request once and return the answer within ``timeout_s``. Raises NoAnswerError."""
        create = self._client.chat.completions.with_streaming_response.create
        return self._sent(lambda: create(**self._body(request), timeout=timeout_s), Reply, timeout_s, self._size)

    def embed(self, model: str, texts: Sequence[str], *, timeout_s: float, max_bytes: int) -> VectorsReply:
        """Ask for the texts' vectors once and return them within ``timeout_s``. Raises NoAnswerError."""
        create = self._client.embeddings.with_streaming_response.create
        return self._sent(
            lambda: create(model=model, input=list(texts), encoding_format="base64", timeout=timeout_s),
            VectorsReply,
            timeout_s,
            max_bytes,
        )

    def _sent(
        self, send: Callable[[], AbstractContextManager[Any]], kind: type[A], timeout_s: float, max_bytes: int
    ) -> A:
        import httpx2
        import openai

        from shared.llm.wire import allowing

        try:
            with allowing(seconds=timeout_s, size=max_bytes), send() as response:
                body = b"".join(response.iter_bytes())
        except openai.APIStatusError as error:
            raise _status(error) from None  # its text may hold the request's, or the key's end
        except openai.APIConnectionError as error:
            raise _lost(error.__cause__ or error) from None
        except httpx2.HTTPError as error:
            raise _lost(error) from None
        return self._read(body, kind)

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [message.model_dump() for message in request.messages],
            "temperature": request.temperature,
            "seed": request.seed,
            # OpenAI's newer models refuse the old name, most other servers do not know the new one
            "max_completion_tokens" if self._provider.name == OPENAI else "max_tokens": request.max_tokens,
        }
        if request.top_logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
        if request.schema_ is not None:
            wanted = {
                "name": request.schema_name,
                "schema": request.schema_,
                "strict": takes_strict(request.schema_),
            }
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return body

    def _read(self, body: bytes, kind: type[A]) -> A:
        bounds = replace(self._bounds, characters=max(self._bounds.characters, len(body)))
        try:
            value = strict_json(body.decode(errors="surrogateescape"), bounds, storable_texts=False)
            return kind.model_validate(value)
        except (ValidationError, InvalidInputError):
            raise NoAnswerError("bad-answer", called=True, unclear=True) from None


def _status(error: Any) -> NoAnswerError:
    code = error.code if isinstance(error.code, str) and _CODE.fullmatch(error.code) else ""
    status = int(error.status_code)
    told = f"{status} {code}".rstrip()
    again = (status == _TOO_MANY and code != _QUOTA) or status >= _SERVER_ERRORS
    called = status >= _SERVER_ERRORS and status != _OVERLOADED
    after_s = _retry_after(error.response.headers) if again else 0.0
    return NoAnswerError(told, again=again, called=called, after_s=after_s)


def _lost(error: BaseException) -> NoAnswerError:
    """Nothing was sent when there was no connection; otherwise nobody knows what the provider has done."""
    import httpx2

    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return NoAnswerError("no-connection", again=True)
    if isinstance(error, httpx2.TimeoutException):
        return NoAnswerError("out-of-time", again=True, called=True, unclear=True)
    refused = isinstance(error, httpx2.DecodingError)  # too long, or compressed: a second one would be no better
    return NoAnswerError("bad-answer" if refused else "cut-off", again=not refused, called=True, unclear=True)


def _retry_after(headers: Any) -> float:
    """Return the seconds of Retry-After (a number, or a date of HTTP), 0 where there is none that makes sense."""
    milliseconds, told = headers.get("retry-after-ms"), headers.get("retry-after")
    for text, unit in ((milliseconds, 1000), (told, 1)):
        try:
            seconds = float(text) / unit
        except (TypeError, ValueError):
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0
