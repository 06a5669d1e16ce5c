"""What ``/openai/v1/chat/completions`` and ``/embeddings`` are asked with: OpenAI's shapes.

Three kinds of fields: those that count; those that change nothing for our engines, which are deterministic and see the
whole conversation (temperature, seed, …), taken and left alone; and those that would change the answer's shape, refused
unless they ask for what is given anyway. A field that OpenAI does not know either is refused too.
"""

from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import ConfigDict, Field, StringConstraints

from shared.contracts import Contract, JsonObject

ModelName = Annotated[str, MinLen(1), MaxLen(256)]

_MOST_MESSAGES: Final = 2_048
_MOST_TEXTS: Final = 2_048
_MOST_TOKENS: Final = 10_000_000
_MOST_DIMENSIONS: Final = 4_096
_MOST_CANDIDATES: Final = 20

_Penalty = Annotated[float, Ge(-2), Le(2)] | None


class Part(Contract):
    """A part of a message: text, for our engines read nothing else."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["text", "refusal"]
    text: str = ""


class ChatMessage(Contract):
    """One message of the conversation so far. Calls of tools are taken, and not looked into."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | tuple[Part, ...] | None = None
    name: str | None = None
    tool_calls: list[JsonObject] | None = None
    tool_call_id: str | None = None
    function_call: JsonObject | None = None
    refusal: str | None = None
    annotations: list[JsonObject] | None = None
    audio: None = None

    def plain(self) -> JsonObject:
        """Return what an engine sees: who, and the text."""
        if isinstance(self.content, tuple):
            return {"role": self.role, "content": "\n".join(part.text for part in self.content)}
        return {"role": self.role, "content": self.content or ""}


class JsonSchema(Contract):
    """The schema that an answer must fit. Here it always does, ``strict`` or not."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    schema_: JsonObject = Field(default_factory=dict, alias="schema")
    strict: bool | None = None


class ResponseFormat(Contract):
    """The shape of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(Contract):
    """What a stream tells besides the answer."""

    include_usage: bool = False
    include_obfuscation: bool = False


class ChatCompletionRequest(Contract):
    """What ``chat.completions.create`` asks for."""

    model: ModelName
    messages: Annotated[list[ChatMessage], MinLen(1), MaxLen(_MOST_MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    stop: str | Annotated[list[str], MaxLen(4)] | None = None
    max_tokens: Annotated[int, Ge(1), Le(_MOST_TOKENS)] | None = None
    max_completion_tokens: Annotated[int, Ge(1), Le(_MOST_TOKENS)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Ge(0), Le(_MOST_CANDIDATES)] | None = None

    # only what is given anyway
    n: Literal[1] | None = None
    modalities: list[Literal["text"]] | None = None
    audio: None = None
    tool_choice: Literal["none", "auto"] | None = None
    function_call: Literal["none", "auto"] | None = None
    web_search_options: None = None

    # taken, and without effect
    temperature: Annotated[float, Ge(0), Le(2)] | None = None
    top_p: Annotated[float, Ge(0), Le(1)] | None = None
    presence_penalty: _Penalty = None
    frequency_penalty: _Penalty = None
    logit_bias: dict[str, float] | None = None
    seed: int | None = None
    tools: list[JsonObject] | None = None
    parallel_tool_calls: bool | None = None
    functions: list[JsonObject] | None = None
    prediction: JsonObject | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: JsonObject | None = None
    moderation: Any = None

    @property
    def stops(self) -> list[str]:
        """The sequences that end the answer."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [sequence for sequence in given if sequence]

    @property
    def most_tokens(self) -> int | None:
        """How long the answer may be."""
        return self.max_completion_tokens or self.max_tokens


class EmbeddingRequest(Contract):
    """What ``embeddings.create`` asks for: texts, for lists of a tokenizer's numbers mean nothing here."""

    model: ModelName
    input: Annotated[str, MinLen(1)] | Annotated[list[Annotated[str, MinLen(1)]], MinLen(1), MaxLen(_MOST_TEXTS)]
    dimensions: Annotated[int, Ge(1), Le(_MOST_DIMENSIONS)] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None
