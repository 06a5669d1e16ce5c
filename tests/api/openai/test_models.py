"""``/openai/v1/models`` through the official SDK."""

import openai
import pytest

from shared import ids, models
from shared.contracts import ModelState
from shared.db import fine_tunes
from shared.models import Change
from tests.api.openai.conftest import Shop

BASE = "local-nearest"


def _train(shop: Shop, colours: bytes) -> str:
    job = shop.client.fine_tuning.jobs.create(model=BASE, training_file=shop.upload(colours), suffix="shop")
    shop.work()
    name = shop.client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model
    assert name
    return name


def test_models_are_shown_one_by_one(shop: Shop, colours: bytes) -> None:
    name = _train(shop, colours)
    assert shop.client.models.retrieve(BASE).owned_by == "tuneyard-system"
    assert shop.client.models.retrieve(name).owned_by == "tuneyard"
    with pytest.raises(openai.NotFoundError) as unknown:
        shop.client.models.retrieve("gpt-4o-mini")
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")


def test_a_deleted_model_is_gone_and_stays_in_the_registry(shop: Shop, colours: bytes) -> None:
    name = _train(shop, colours)
    with shop.front.database.reading() as conn:
        tuned = fine_tunes.find_model(conn, name)
    assert tuned
    assert shop.client.models.delete(name).deleted
    for ask in (shop.client.models.retrieve, shop.client.models.delete):
        with pytest.raises(openai.NotFoundError):
            ask(name)
    with shop.front.database.reading() as conn:
        assert models.get(conn, tuned.model_id).state is ModelState.RETIRED
        assert fine_tunes.list_models(conn) == []


def test_a_base_model_cannot_be_deleted(shop: Shop) -> None:
    with pytest.raises(openai.PermissionDeniedError):
        shop.client.models.delete(BASE)


def test_a_model_by_which_an_active_model_answers_cannot_be_deleted(shop: Shop, colours: bytes) -> None:
    name = _train(shop, colours)
    with shop.front.database.transaction() as conn:
        tuned = fine_tunes.find_model(conn, name)
        assert tuned
        trained = models.get(conn, tuned.model_id)
        user = models.register(
            conn, model_id=ids.new_id(ids.MODEL), pipeline="gold", surface="default", manifest=trained.manifest,
            dataset_id=trained.dataset_id, job_id=None, parameters={"provider": "local", "provider_model": name},
            libraries={}, metrics={},
        )  # fmt: skip
        change = Change(
            pipeline="gold", surface="default", kind="activate", to_model=user.id, actor="a", reason="r", job_id=None
        )
        models.switch(conn, change)
    with pytest.raises(openai.ConflictError, match="gold/default") as used:
        shop.client.models.delete(name)
    assert used.value.response.headers["x-should-retry"] == "false"  # else the SDK would try again and again
    assert shop.client.models.retrieve(name).id == name
