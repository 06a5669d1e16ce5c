"""One request for a completion: sent once, bounded, and its outcome put into one of a few classes."""

import math
import re
import time
import weakref
from email.utils import parsedate_to_datetime
from typing import Any, Final

from pydantic import BaseModel, Field, ValidationError

from shared.errors import InvalidInputError
from shared.llm.chat import ChatRequest
from shared.llm.connection import OPENAI, Provider, client_of
from shared.llm.structured import Bounds, storable, strict_json, takes_strict

_TOO_MANY: Final = 429
_SERVER_ERRORS: Final = 500
_OVERLOADED: Final = 503
_QUOTA: Final = "insufficient_quota"
_CODE: Final = re.compile(r"[a-z0-9_.-]{1,64}")
_ENTRIES: Final = 10_000


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


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = Field(None, max_length=64)


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0, le=10_000_000)
    completion_tokens: int = Field(ge=0, le=10_000_000)


class Reply(BaseModel):
    """What a provider answers with, as far as anybody reads it. ``usage`` is None where it tells nonsense."""

    model: str = Field("", max_length=256)
    choices: list[_Choice] = Field(min_length=1)
    usage: Any = None

    @property
    def text(self) -> str:
        """What the model says; empty when it refuses to say anything."""
        return storable(self.choices[0].message.content or "")

    @property
    def finish_reason(self) -> str:
        """Why it stopped there, as the provider says."""
        choice = self.choices[0]
        return "refusal" if choice.message.refusal else storable(choice.finish_reason or "stop")

    def tokens(self, estimate: tuple[int, int]) -> tuple[int, int]:
        """Return the tokens of prompt and answer as the provider counted them, or else the estimate."""
        try:
            usage = _Usage.model_validate(self.usage)
        except ValidationError:
            return estimate
        return usage.prompt_tokens, usage.completion_tokens


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
        import httpx2
        import openai

        from shared.llm.wire import allowing

        try:
            with (
                allowing(seconds=timeout_s, size=self._size),
                self._client.chat.completions.with_streaming_response.create(
                    **self._body(request), timeout=timeout_s
                ) as response,
            ):
                body = b"".join(response.iter_bytes())
        except openai.APIStatusError as error:
            raise _status(error) from None  # its text may hold the request's, or the key's end
        except openai.APIConnectionError as error:
            raise _lost(error.__cause__ or error) from None
        except httpx2.HTTPError as error:
            raise _lost(error) from None
        return self._read(body)

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [message.model_dump() for message in request.messages],
            "temperature": request.temperature,
            "seed": request.seed,
            # OpenAI's newer models refuse the old name, most other servers do not know the new one
            "max_completion_tokens" if self._provider.name == OPENAI else "max_tokens": request.max_tokens,
        }
        if request.schema_ is not None:
            wanted = {
                "name": request.schema_name,
                "schema": request.schema_,
                "strict": takes_strict(request.schema_),
            }
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return body

    def _read(self, body: bytes) -> Reply:
        try:
            value = strict_json(body.decode(errors="surrogateescape"), self._bounds, storable_texts=False)
            return Reply.model_validate(value)
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
