"""What a provider answers with, as far as anybody reads it: nothing in it is believed before it was checked."""

import base64
import binascii
from typing import Any, Final

from pydantic import BaseModel, Field, ValidationError

from shared.llm.chat import Candidate, Token
from shared.llm.structured import storable

_MOST_CANDIDATES: Final = 20
_CERTAIN: Final = 1e-6
"""What rounding may make of the logarithm of 1."""


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = Field(None, max_length=64)
    logprobs: Any = None


class _Candidate(BaseModel):
    token: str
    logprob: float = Field(le=_CERTAIN, allow_inf_nan=False)


class _Token(_Candidate):
    top_logprobs: list[_Candidate] = Field(default=[], max_length=_MOST_CANDIDATES)


class _Logprobs(BaseModel):
    content: list[_Token]


class _Read(BaseModel):
    prompt_tokens: int = Field(ge=0, le=10_000_000)


class _Usage(_Read):
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

    @property
    def likelihoods(self) -> tuple[Token, ...] | None:
        """How likely the answer's tokens were; None where the provider does not say, or tells nonsense."""
        try:
            told = _Logprobs.model_validate(self.choices[0].logprobs).content
        except ValidationError:
            return None
        return tuple(
            Token(token=storable(t.token), logprob=t.logprob, top=tuple(map(_candidate, t.top_logprobs))) for t in told
        )

    def tokens(self, estimate: tuple[int, int]) -> tuple[int, int]:
        """Return the tokens of prompt and answer as the provider counted them, or else the estimate."""
        try:
            usage = _Usage.model_validate(self.usage)
        except ValidationError:
            return estimate
        return usage.prompt_tokens, usage.completion_tokens


class _Vector(BaseModel):
    index: int = Field(ge=0)
    embedding: str


class VectorsReply(BaseModel):
    """Vectors of texts as a provider sends them: little-endian float32 in base64."""

    data: list[_Vector]
    usage: Any = None

    def vectors(self, count: int) -> list[bytes] | None:
        """Return the bytes of ``count`` vectors in the order of their texts; None: these are not as many."""
        by_index = {vector.index: vector.embedding for vector in self.data}
        if len(self.data) != count or by_index.keys() != set(range(count)):
            return None
        try:
            return [base64.b64decode(by_index[index], validate=True) for index in range(count)]
        except binascii.Error:
            return None

    def tokens(self, estimate: int) -> int:
        """Return the tokens of all texts as the provider counted them, or else the estimate."""
        try:
            return _Read.model_validate(self.usage).prompt_tokens
        except ValidationError:
            return estimate


def _candidate(told: _Candidate) -> Candidate:
    return Candidate(token=storable(told.token), logprob=told.logprob)
