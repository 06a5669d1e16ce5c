"""How likely each of a few possible answers was, read from the probabilities of an answer's tokens.

OpenAI and our own engines tell them alike, so a caller needs not know who answered: the first token in which the
possible answers differ decides.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from shared.llm.chat import Completion


def shares_of(completion: Completion, choices: Sequence[str]) -> dict[str, float] | None:
    """Return the probability of each of the possible answers, which together make 1.

    ``choices`` are whole answers, as the model writes them; case and spaces do not matter. A token that fits several of
    them, or none, counts for none. None: the tokens do not tell (none were asked for, or the answer is another one).
    """
    plain = {choice: _plain(choice) for choice in choices}
    if not completion.tokens or len(set(plain.values())) < 2:  # noqa: PLR2004  (one choice is no choice)
        return None
    common = _begun_alike(list(plain.values()))
    before = ""
    for token in completion.tokens:
        if len(_plain(before + token.token)) > len(common):
            candidates = token.top or (token,)
            return _weighed(((_plain(before + c.token), math.exp(c.logprob)) for c in candidates), plain)
        before += token.token
    return None


def _begun_alike(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    same = next((place for place, letter in enumerate(first) if last[place : place + 1] != letter), len(first))
    return first[:same]


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()


def _weighed(likely: Iterable[tuple[str, float]], plain: Mapping[str, str]) -> dict[str, float] | None:
    shares = dict.fromkeys(plain, 0.0)
    for begun, probability in likely:
        fitting = [choice for choice, text in plain.items() if text.startswith(begun) or begun.startswith(text)]
        if begun and len(fitting) == 1:
            shares[fitting[0]] += probability
    total = sum(shares.values())
    return {choice: share / total for choice, share in shares.items()} if total > 0 else None
