"""How likely an answer's tokens were, where a model knows how likely each of its answers is: as OpenAI tells it.

A model that chooses among whole answers makes one as a language model would that writes token by token: a token's
probability, given those before it, is that of the answers that go on with it over that of those that got so far.
"""

import math
from collections.abc import Sequence
from typing import Final

from shared.contracts import JsonObject
from shared.llm.engines.text import tokens_of

_IMPOSSIBLE: Final = -100.0  # stands for the logarithm of 0, which JSON has not


def likelihoods(text: str, answers: Sequence[tuple[str, float]], top: int) -> list[JsonObject]:
    """Return OpenAI's ``logprobs.content`` of an answer: each token, and the ``top`` likeliest ones in its place.

    ``answers`` are the texts that there might have been, itself among them, with their probabilities; an answer that
    was cut off is a beginning of one of them.
    """
    parted = [(tokens_of(answer), share) for answer, share in answers]
    told: list[JsonObject] = []
    for place, token in enumerate(tokens_of(text)):
        here: dict[str, float] = {}
        for tokens, share in parted:
            if place < len(tokens):
                here[tokens[place]] = here.get(tokens[place], 0.0) + share
        total = sum(share for _, share in parted)
        ordered = sorted(here.items(), key=lambda item: (-item[1], item[0]))
        one = _told(token, here.get(token, 0.0), total)
        told.append({**one, "top_logprobs": [_told(other, share, total) for other, share in ordered[:top]]})
        parted = [(tokens, share) for tokens, share in parted if tokens[place : place + 1] == [token]]
    return told


def _told(token: str, share: float, total: float) -> JsonObject:
    logprob = min(0.0, math.log(share / total)) if share > 0 and total > 0 else _IMPOSSIBLE
    return {"token": token, "logprob": max(logprob, _IMPOSSIBLE), "bytes": list(token.encode(errors="replace"))}
