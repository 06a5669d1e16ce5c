"""Prices by the model's name, and the estimate before a fine-tune."""

import pytest

from shared.llm.policy import llm_policy
from shared.llm.prices import completion_cost, estimate, likely_epochs, price_of


def test_a_version_has_its_models_price_and_a_fine_tune_its_own() -> None:
    base, known = price_of("openai", "gpt-4o-mini-2024-07-18")
    tuned, _ = price_of("openai", "ft:gpt-4o-mini-2024-07-18:acme:gold:AbC123")
    assert known
    assert (base.training, base.input, base.output) == (3.0, 0.15, 0.6)
    assert (tuned.input, tuned.output) == (0.3, 1.2)


def test_the_longest_name_counts() -> None:
    assert price_of("openai", "gpt-4.1")[0].training == 25
    assert price_of("openai", "gpt-4.1-mini-2025-04-14")[0].training == 5


def test_a_name_that_only_begins_alike_is_not_known() -> None:
    price, known = price_of("openai", "gpt-4omega")
    assert not known
    assert price == llm_policy().unknown_price


@pytest.mark.parametrize("provider", ["local", "localhost", "127.0.0.1", "10.1.2.3", "::1", "trainer", "gpu.internal"])
def test_our_own_trainer_and_private_servers_are_free(provider: str) -> None:
    price, known = price_of(provider, "my-model")
    assert known
    assert (price.training, price.input, price.output) == (0, 0, 0)


@pytest.mark.parametrize("provider", ["openai", "api.example.com", "8.8.8.8", "2606:4700::1111"])
def test_what_no_table_knows_is_dear(provider: str) -> None:
    price, known = price_of(provider, "my-model")
    assert not known
    assert price.training >= max(listed.training for listed in llm_policy().prices)


def test_a_listed_model_costs_the_same_wherever_it_is_offered_but_with_us() -> None:
    assert price_of("127.0.0.1", "gpt-4.1-mini")[0].training == 5
    assert price_of("local", "gpt-4.1-mini")[0].training == 0


@pytest.mark.parametrize(("rows", "epochs"), [(1, 25), (10, 10), (33, 3), (100, 3), (8000, 3), (20_000, 1), (10**6, 1)])
def test_epochs_as_a_provider_is_likely_to_choose_them(rows: int, epochs: int) -> None:
    assert likely_epochs(rows) == epochs


def test_an_estimate_says_what_it_is_made_of() -> None:
    found = estimate("openai", "gpt-4o-mini-2024-07-18", tokens=100_000, rows=500)
    assert (found.tokens, found.epochs, found.trained_tokens, found.usd) == (100_000, 3, 300_000, 0.9)
    assert estimate("openai", "gpt-4o-mini-2024-07-18", tokens=100_000, rows=500, epochs=1).usd == 0.3
    assert estimate("local", "local-nearest", tokens=100_000, rows=500).usd == 0


def test_a_completion_costs_what_went_in_and_what_came_out() -> None:
    cost = completion_cost("openai", "ft:gpt-4.1-mini-2025-04-14:a::b", tokens_in=1000, tokens_out=500)
    assert cost == pytest.approx(0.0008 + 0.0016)
