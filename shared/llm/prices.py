"""What a provider's work costs: prices by the model's name, and the estimate of a fine-tune before anything is sent."""

import ipaddress
from dataclasses import dataclass
from math import floor

from shared.llm.connection import LOCAL, OPENAI
from shared.llm.policy import LlmPolicy, Price, llm_policy

_MILLION = 1_000_000
_TUNED = "ft:"
_FREE = Price(training=0, input=0, output=0)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a fine-tune is likely to cost. ``tokens`` are those of one pass over the file; ``usd`` is for all epochs.

    ``price_known`` is False where no table names the model: then a dear price was taken.
    """

    tokens: int
    epochs: int
    trained_tokens: int
    usd: float
    price_known: bool


def price_of(provider: str, model: str, policy: LlmPolicy | None = None) -> tuple[Price, bool]:
    """Return a model's price at a provider (``Provider.name``), and whether it is known.

    Our own trainer is free. The longest name in the table that the model's begins with counts, whoever offers it; what
    the table does not name is free in a private network, and dear elsewhere.
    """
    policy = policy or llm_policy()
    if provider == LOCAL:
        return _FREE, True
    tuned = model.startswith(_TUNED)
    name = model.removeprefix(_TUNED)
    named = [listed for listed in policy.prices if _begins(name, listed.model)]
    if not named:
        return (_FREE, True) if _is_private(provider) else (policy.unknown_price, False)
    listed = max(named, key=lambda listed: len(listed.model))
    if not tuned:
        return Price(training=listed.training, input=listed.input, output=listed.output), True
    input_ = listed.input if listed.tuned_input is None else listed.tuned_input
    output = listed.output if listed.tuned_output is None else listed.tuned_output
    return Price(training=listed.training, input=input_, output=output), True


def completion_cost(provider: str, model: str, *, tokens_in: int, tokens_out: int) -> float:
    """Return what a completion costs in US dollars, by the tokens that the provider counted."""
    price, _ = price_of(provider, model)
    return (tokens_in * price.input + tokens_out * price.output) / _MILLION


def training_cost(provider: str, base_model: str, trained_tokens: int) -> float:
    """Return what training costs in US dollars; ``trained_tokens`` are the file's tokens times the epochs."""
    price, _ = price_of(provider, base_model)
    return trained_tokens * price.training / _MILLION


def likely_epochs(rows: int, policy: LlmPolicy | None = None) -> int:
    """Return how many epochs a provider is likely to choose for so many rows (``[epochs]`` in the policy)."""
    epochs = (policy or llm_policy()).epochs
    if rows * epochs.target < epochs.fewest_examples:
        return min(epochs.most, max(1, epochs.fewest_examples // max(rows, 1)))
    if rows * epochs.target > epochs.most_examples:
        return max(epochs.least, floor(epochs.most_examples / rows))
    return epochs.target


def estimate(provider: str, base_model: str, *, tokens: int, rows: int, epochs: int | None = None) -> Estimate:
    """Return what a fine-tune is likely to cost; without ``epochs``, with as many as the provider is likely to choose.

    ``tokens`` and ``rows`` are the training file's (``FileReport``).
    """
    chosen = epochs or likely_epochs(rows)
    trained = tokens * chosen
    _, known = price_of(provider, base_model)
    usd = training_cost(provider, base_model, trained)
    return Estimate(tokens=tokens, epochs=chosen, trained_tokens=trained, usd=round(usd, 6), price_known=known)


def _begins(name: str, listed: str) -> bool:
    """Whether a name is a listed one or a version of it: ``gpt-4o-mini`` is no version of ``gpt-4``."""
    return name == listed or (name.startswith(listed) and name[len(listed)] in "-:")


def _is_private(provider: str) -> bool:
    """Whether the provider's host is on this machine or in a private network."""
    if provider == OPENAI:
        return False
    try:
        return ipaddress.ip_address(provider).is_private
    except ValueError:  # a name: one without dots is a host of the local network
        return "." not in provider or provider.endswith((".local", ".internal", ".localhost"))
