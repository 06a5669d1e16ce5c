"""A chat model under a name of its provider, asked as a pipeline asks: through the guardrail, or for a first answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

from shared.contracts import Contract
from shared.errors import RefusedError
from shared.llm.chat import ChatRequest
from shared.llm.guardrail import Guard, Guarded, guarded, judged
from shared.llm.prices import completion_cost
from shared.llm.provider_model import ProviderModel
from shared.llm.structured import Fault
from shared.pipeline import Answer

if TYPE_CHECKING:
    from shared.llm.completions import Completion, Completions

I = TypeVar("I")  # noqa: E741  (I and O are the field's letters for input and output)
O = TypeVar("O")  # noqa: E741
I_contra = TypeVar("I_contra", contravariant=True)


@dataclass(frozen=True, kw_only=True)
class Asking(Generic[I, O]):
    """How a pipeline asks its models."""

    purpose: str
    """A word that the spending is listed under."""
    request: Callable[[str, I], ChatRequest]
    """From a model's name and an input to the question. Temperature 0: the same question is worth the same answer."""
    guard: Callable[[I], Guard[O]]
    confidence: Callable[[Guarded[O]], float]
    """What an answer's confidence is as a number, 0 to 1."""
    answer_seconds: float
    """The longest that one first answer may take."""
    withhold: bool = False
    """Keep no word of refused answers with personal data; for pipelines that do not learn from what is refused."""


@dataclass(frozen=True, kw_only=True)
class First:
    """A model's first answer, as it was, and what is wrong with it (nothing: ``faults`` is empty).

    ``seconds`` and ``cost_usd`` are what it took when it was given, also where it comes from the cache now; None:
    nobody knows.
    """

    text: str
    faults: tuple[Fault, ...]
    seconds: float | None = None
    cost_usd: float | None = None


@runtime_checkable
class AnswersFirst(Protocol[I_contra]):
    """A model whose first answers can be seen, before the guardrail has made them good."""

    def first(self, inputs: Sequence[I_contra]) -> list[First]:
        """Ask about each input once, and judge the answers. Raises what completions raise."""
        ...


class TunedModel(Generic[I, O]):
    """A chat model of a pipeline. Safe to call from several threads."""

    def __init__(
        self, name: str, completions: "Completions", asking: Asking[I, O], *, job_id: str | None = None
    ) -> None:
        self.name = name
        self._completions = completions
        self._asking = asking
        self._job_id = job_id

    def predict(self, inputs: Sequence[I]) -> list[Answer[O]]:
        """Answer each input through the guardrail; without an answer of the model it is the fallback's."""
        return [self.as_answer(found) for found in self._completions.each(self.ask, inputs)]

    def ask(self, value: I, *, job_id: str | None = None, timeout_s: float | None = None) -> Guarded[O]:
        """Answer one input through the guardrail: two calls at the most, which ``timeout_s`` bounds together."""
        return guarded(
            self._completions,
            self._asking.request(self.name, value),
            self._asking.guard(value),
            purpose=self._asking.purpose,
            job_id=job_id or self._job_id,
            timeout_s=timeout_s,
            withhold=self._asking.withhold,
        )

    def as_answer(self, found: Guarded[O]) -> Answer[O]:
        """Return a guarded answer with its confidence as a number."""
        return Answer(output=found.output, confidence=self._asking.confidence(found))

    def first(self, inputs: Sequence[I]) -> list[First]:
        """Ask about each input once, and judge the answers.

        Raises UnavailableError or RefusedError when there is no answer: that is the provider's fault, not the model's.
        """
        requests = [self._asking.request(self.name, value) for value in inputs]
        answers = self._completions.complete_many(
            requests,
            purpose=self._asking.purpose,
            job_id=self._job_id,
            timeout_s=self._asking.answer_seconds,
        )
        return [
            self._judged(value, request, answer)
            for value, request, answer in zip(inputs, requests, answers, strict=True)
        ]

    def _judged(self, value: I, request: ChatRequest, answer: "Completion") -> First:
        withhold = self._asking.withhold
        text, checked = judged(self._completions, request, self._asking.guard(value), answer.text, withhold=withhold)
        return First(
            text=text,
            faults=checked if isinstance(checked, tuple) else (),
            seconds=answer.seconds,
            cost_usd=completion_cost(
                self._completions.provider.name,
                self.name,
                tokens_in=answer.prompt_tokens,
                tokens_out=answer.completion_tokens,
            ),
        )


def load_tuned(folder: Path, asking: Asking[I, O]) -> TunedModel[I, O]:
    """Load a registered model: all that lies in its folder is where to ask for it.

    Raises RefusedError when it was trained at another provider than the one that the settings name.
    """
    described = ProviderModel.read(folder)
    return TunedModel(described.model, completions_of(described.provider), asking)


def completions_of(provider: str | None) -> "Completions":
    """Return this process's completions, if they come from this provider (None: from whichever it is).

    Raises RefusedError when they come from another one, and InvalidInputError when there is none.
    """
    from shared.llm.completions import default_completions

    completions = default_completions()
    if provider is not None and completions.provider.name != provider:
        raise RefusedError(
            f"the model was trained at {provider}, and completions come from {completions.provider.name}",
            advice="set OPENAI_BASE_URL and OPENAI_API_KEY to the model's provider, or train it anew here",
        )
    return completions


def faults_of(guard: Guard[Any], text: str) -> tuple[Fault, ...]:
    """Return what is wrong with an answer by a guard's rules."""
    checked = guard.check(text)
    return checked if isinstance(checked, tuple) else ()


class BrokenRule(Contract):
    """One rule that an answer broke, and in which way. The message quotes no more than names and figures."""

    rule: str
    message: str


def broken_rules(faults: Sequence[Fault]) -> tuple[BrokenRule, ...]:
    """Return faults as they are shown and kept."""
    return tuple(BrokenRule(rule=fault.rule, message=fault.message) for fault in faults)
