"""A fine-tuned model of pairs: what it is asked, and what its answer and the probabilities of its tokens are worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.contracts import Path as AnswerPath
from shared.llm.chat import ChatRequest, Completion, Message
from shared.llm.probabilities import shares_of
from shared.llm.provider_model import ProviderModel
from shared.llm.tuned import completions_of
from shared.pipeline import Answer
from shared.pipelines.dedup.contracts import NAME
from shared.pipelines.dedup.fallback import fallback
from shared.pipelines.dedup.pair import MergeAnswer, Pair
from shared.pipelines.dedup.policy import policy
from shared.pipelines.dedup.prompt import LABELS, MERGE, question

if TYPE_CHECKING:
    from shared.llm.completions import Completions

_MOST_CHARS: Final = 100
_CANDIDATES: Final = 5


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a model said of a pair. ``answer`` None: it said neither of the two words.

    ``confidence`` is the share of the word that it said, 0 to 1; ``path`` is ``model`` or ``cache``.
    """

    answer: MergeAnswer | None
    confidence: float
    path: AnswerPath


class PairModel:
    """A chat model that says of two statements whether they are one. Safe to call from several threads."""

    def __init__(self, name: str, completions: "Completions", *, job_id: str | None = None) -> None:
        self.name = name
        self.completions = completions
        self._job_id = job_id

    def predict(self, inputs: Sequence[Pair]) -> list[Answer[MergeAnswer]]:
        """Answer each pair; the similarity does where the model says neither word. Raises what completions raise."""
        return [
            fallback(pair) if said.answer is None else Answer(output=said.answer, confidence=said.confidence)
            for pair, said in zip(inputs, self.said(inputs), strict=True)
        ]

    def said(self, inputs: Sequence[Pair]) -> list[Said]:
        """Ask about each pair, several at once, in order. Raises what completions raise."""
        return self.completions.each(self.ask, inputs)

    def ask(self, pair: Pair) -> Said:
        """Ask about one pair. Raises UnavailableError or RefusedError when there is no answer."""
        answer = self.completions.complete(
            request_of(self.name, pair),
            purpose=NAME,
            job_id=self._job_id,
            timeout_s=policy().model.answer_seconds,
        )
        return read(answer)


def load(folder: Path) -> PairModel:
    """Load a registered model. Raises RefusedError when it was trained at another provider than the settings name."""
    described = ProviderModel.read(folder)
    return named(described.model, described.provider)


def named(name: str, provider: str | None = None, *, job_id: str | None = None) -> PairModel:
    """Return the model that the provider knows by this name. Raises RefusedError when it is another provider's."""
    return PairModel(name, completions_of(provider), job_id=job_id)


def request_of(model: str, pair: Pair) -> ChatRequest:
    """Return the question about a pair. Temperature 0: the same two statements are worth the same answer."""
    return ChatRequest(
        model=model,
        messages=tuple(Message.model_validate(message) for message in question(pair.a, pair.b)),
        max_tokens=policy().model.max_tokens,
        top_logprobs=_CANDIDATES,
    )


def read(completion: Completion) -> Said:
    """Return what an answer says, whatever it is. Without probabilities the policy says what the word is worth."""
    word = completion.text[:_MOST_CHARS].strip().strip("\"'.").casefold()
    if word not in LABELS:
        return Said(answer=None, confidence=0.0, path=completion.path)
    merges = word == MERGE
    shares = shares_of(completion, LABELS)
    confidence = policy().model.word_alone if shares is None else shares[word]
    answer = MergeAnswer(should_merge=merges, merge_probability=confidence if merges else 1 - confidence)
    return Said(answer=answer, confidence=confidence, path=completion.path)
