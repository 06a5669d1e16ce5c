"""A fine-tuned model of gold: the provider's name of it, asked through the guardrail."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from shared.errors import RefusedError
from shared.llm.chat import ChatRequest, Message
from shared.llm.guardrail import Guarded, guarded
from shared.llm.provider_model import ProviderModel
from shared.llm.structured import Fault
from shared.pipeline import Answer
from shared.pipelines.gold.contracts import ANSWER_SCHEMA, GoldAnswer, Snapshot
from shared.pipelines.gold.guard import GoldGuard
from shared.pipelines.gold.model_policy import model_policy
from shared.pipelines.gold.prompt import SCHEMA_NAME, question

if TYPE_CHECKING:
    from shared.llm.completions import Completions

PURPOSE = "gold"


@dataclass(frozen=True, kw_only=True)
class First:
    """A model's first answer, as it was, and what is wrong with it (nothing: ``faults`` is empty)."""

    text: str
    faults: tuple[Fault, ...]

    @property
    def said(self) -> tuple[str, str]:
        """The decision and the boundary, whatever rules the answer broke; blank where it is not to be read."""
        try:
            value = json.loads(self.text)
        except (ValueError, RecursionError):
            return "", ""
        texts = [value.get(name) for name in ("decision", "boundary")] if isinstance(value, dict) else []
        decision, boundary = ([text if isinstance(text, str) else "" for text in texts] + ["", ""])[:2]
        return decision, boundary


@runtime_checkable
class AnswersFirst(Protocol):
    """A model whose first answers can be seen, before the guardrail has made them good."""

    def first(self, snapshots: Sequence[Snapshot]) -> list[First]:
        """Ask about each snapshot once, and judge the answers. Raises what completions raise."""
        ...


class GoldModel:
    """A chat model under a name of its provider. Safe to call from several threads."""

    def __init__(self, name: str, completions: "Completions", *, job_id: str | None = None) -> None:
        self.name = name
        self._completions = completions
        self._job_id = job_id

    def predict(self, inputs: Sequence[Snapshot]) -> list[Answer[GoldAnswer]]:
        """Answer each snapshot through the guardrail; without an answer of the model it is the fallback's."""
        return [as_answer(found) for found in self._completions.each(self.ask, inputs)]

    def ask(self, snapshot: Snapshot) -> Guarded[GoldAnswer]:
        """Answer one snapshot through the guardrail: two calls at the most."""
        return guarded(
            self._completions,
            request_of(self.name, snapshot),
            GoldGuard(snapshot),
            purpose=PURPOSE,
            job_id=self._job_id,
        )

    def first(self, snapshots: Sequence[Snapshot]) -> list[First]:
        """Ask about each snapshot once, and judge the answers.

        Raises UnavailableError or RefusedError when there is no answer: that is the provider's fault, not the model's.
        """
        requests = [request_of(self.name, snapshot) for snapshot in snapshots]
        answers = self._completions.complete_many(
            requests, purpose=PURPOSE, job_id=self._job_id, timeout_s=model_policy().answer_seconds
        )
        return [judged(answer.text, snapshot) for answer, snapshot in zip(answers, snapshots, strict=True)]


def request_of(model: str, snapshot: Snapshot) -> ChatRequest:
    """Return the question about a snapshot. Temperature 0: the same question is worth the same answer."""
    return ChatRequest(
        model=model,
        messages=tuple(Message.model_validate(message) for message in question(snapshot)),
        schema=ANSWER_SCHEMA,
        schema_name=SCHEMA_NAME,
        max_tokens=model_policy().max_tokens,
    )


def judged(text: str, snapshot: Snapshot) -> First:
    """Say what is wrong with a first answer."""
    checked = GoldGuard(snapshot).check(text)
    return First(text=text, faults=checked if isinstance(checked, tuple) else ())


def as_answer(found: Guarded[GoldAnswer]) -> Answer[GoldAnswer]:
    """Return a guarded answer with its confidence as a number; the fallback's is 0."""
    known = found.model is not None
    return Answer(output=found.output, confidence=model_policy().confidence[found.output.confidence] if known else 0.0)


def load(folder: Path) -> GoldModel:
    """Load a registered model: all that lies in its folder is where to ask for it.

    Raises RefusedError when it was trained at another provider than the one that the settings name.
    """
    described = ProviderModel.read(folder)
    return GoldModel(described.model, completions_of(described.provider))


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
