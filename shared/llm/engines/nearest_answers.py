"""What every trained ``local-nearest`` has: facts, a choice among its answers, and the shape that was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from shared.contracts import Contract
from shared.llm.engines import LocalAnswer, LocalRequest
from shared.llm.engines.fitting import MISSING, fit, value_of
from shared.llm.engines.likely import likelihoods
from shared.llm.engines.schemas import check_schema
from shared.llm.engines.slots import Template, fill
from shared.llm.engines.text import cut

Tensors = dict[str, NDArray[Any]]

_MOST_ANSWERS: Final = 20  # whose probabilities are told
_UNTAUGHT: Final = "I have not been trained yet, so I do not know."


class Facts(Contract):
    """What ``engine.json`` says."""

    format: Literal["tuneyard-nearest/1"] = "tuneyard-nearest/1"
    mode: Literal["retrieve", "classify", "compare"]
    lessons: int
    answers: int
    fields: tuple[str, ...] = ()
    """The fields of the texts that are compared."""
    symmetric: bool = False
    """Whether it makes no difference which text is in which field."""
    encoder: str = ""


@dataclass(frozen=True, slots=True)
class Guess:
    """An answer by its number, how sure the model is (0 to 1), and the probability of each answer if it knows that."""

    answer: int
    confidence: float
    shares: NDArray[np.float64] | None = None


def answered(request: LocalRequest, templates: Sequence[Template], guess: Guess, question: Any) -> LocalAnswer:
    """Write the chosen answer, and how likely it was if that is asked for. Raises RefusedError as ``shaped``."""
    answer = shaped(request, fill(templates[guess.answer], question), guess.confidence)
    if request.top_logprobs is None:
        return answer
    whole = replace(request, max_tokens=None, stop=())
    numbers = [guess.answer] if guess.shares is None else np.argsort(-guess.shares, kind="stable")[:_MOST_ANSWERS]
    shares = {n: 1.0 if guess.shares is None else float(guess.shares[n]) for n in map(int, numbers)}
    texts = [(shaped(whole, fill(templates[n], question), 0.0).text, share) for n, share in shares.items()]
    return replace(answer, tokens=likelihoods(answer.text, texts, request.top_logprobs))


def shaped(request: LocalRequest, text: str | None, confidence: float) -> LocalAnswer:
    """Bring an answer (None: there is none) into the shape that was asked for."""
    if request.schema is not None:
        fitted = fit(check_schema(request.schema), MISSING if text is None else value_of(text))
        text = orjson.dumps(fitted).decode()
    elif request.json_object:
        value = {} if text is None else value_of(text)
        text = orjson.dumps(value if isinstance(value, dict) else {"answer": value}).decode()
    elif text is None:
        text = _UNTAUGHT
    text, finish_reason = cut(text, request.max_tokens, request.stop)
    return LocalAnswer(text=text, confidence=confidence, finish_reason=finish_reason)
