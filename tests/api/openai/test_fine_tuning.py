"""``/openai/v1/fine_tuning/jobs`` through the official SDK: what a program sees that changed its base URL only."""

from datetime import UTC, datetime, timedelta
from typing import Any

import openai
import pytest

from shared import jobs, models
from shared.artifact_stores import open_store
from shared.contracts import JobState
from shared.datasets import open_dataset
from shared.db import attempts, datasets, fine_tunes
from shared.registry import get_step
from shared.settings import get_settings
from tests.api.openai.conftest import PREFIX, Shop, chat_line, pair_line
from tests.support.probe import Number
from workers.unit import run_job

BASE = "local-nearest"


def test_a_program_trains_by_changing_its_base_url(shop: Shop, colours: bytes) -> None:
    file = shop.upload(colours)
    asked = {"suffix": "My Colours!", "seed": 7, "metadata": {"tuneyard_run": "pj_1"}}
    created = shop.client.fine_tuning.jobs.create(model=BASE, training_file=file, **asked)  # type: ignore[arg-type]
    assert (created.status, created.seed, created.fine_tuned_model, created.error) == ("queued", 7, None, None)
    shop.work()

    done = shop.client.fine_tuning.jobs.retrieve(created.id)
    assert done.status == "succeeded"
    assert done.fine_tuned_model == f"ft:{BASE}:tuneyard:my-colours:{created.id[-8:]}"
    assert done.trained_tokens
    assert done.finished_at
    assert done.finished_at >= done.created_at
    assert done.metadata == {"tuneyard_run": "pj_1"}
    assert done.method
    assert done.method.type == "supervised"

    names = [model.id for model in shop.client.models.list()]
    assert names == [BASE, "local-embedding", "local-minilm", done.fine_tuned_model]


def test_training_is_told_by_events_and_a_file_and_a_checkpoint(shop: Shop, colours: bytes) -> None:
    job = shop.client.fine_tuning.jobs.create(model=BASE, training_file=shop.upload(colours))
    shop.work()
    events = list(shop.client.fine_tuning.jobs.list_events(job.id, limit=3))
    assert len({event.id for event in events}) == len(events) > 3  # pages fit together
    assert events[-1].message == "The fine-tuning job is queued"
    assert events[0].message == "The job has successfully completed"
    metrics: list[dict[str, Any]] = [event.data for event in events if event.type == "metrics"]  # type: ignore[misc]
    assert [m["step"] for m in metrics] == list(range(len(metrics), 0, -1))
    assert all(m["train_loss"] >= 0 for m in metrics)

    done = shop.client.fine_tuning.jobs.retrieve(job.id)
    table = shop.client.files.content(done.result_files[0]).read().decode().splitlines()
    assert table[0] == "step,train_loss,train_mean_token_accuracy"
    assert len(table) == len(metrics) + 1
    assert shop.client.files.retrieve(done.result_files[0]).purpose == "fine-tune-results"

    (checkpoint,) = shop.client.fine_tuning.jobs.checkpoints.list(job.id)
    assert checkpoint.fine_tuned_model_checkpoint == done.fine_tuned_model
    assert checkpoint.step_number == len(metrics)
    assert checkpoint.metrics.train_loss == metrics[0]["train_loss"]


def test_the_model_is_in_the_registry_with_the_dataset_that_it_learned_from(shop: Shop, colours: bytes) -> None:
    held_out = chat_line("What colour has the sky number 99?", "blue") + colours.splitlines(keepends=True)[0]
    job = shop.client.fine_tuning.jobs.create(
        model=BASE, training_file=shop.upload(colours * 2), validation_file=shop.upload(held_out)
    )
    shop.work()
    with shop.front.database.reading() as conn:
        row = fine_tunes.get(conn, job.id)
        assert row.model_id
        model = models.get(conn, row.model_id)
        dataset = datasets.get(conn, model.dataset_id)
    assert (model.pipeline, model.surface, model.job_id) == ("llm", "default", row.job_id)
    assert model.parameters["base_model"] == BASE
    assert dataset.split_counts == {"train": 39, "test": 2}  # twice is once, and what is held out is not learned from
    store = open_store(get_settings().artifacts(), get_settings())
    frozen = open_dataset(store, dataset.manifest)
    rows = list(frozen.rows())
    assert frozen.id == dataset.id
    assert [r.id for r in rows] == sorted(r.id for r in rows)
    assert rows[0].label["role"] == "assistant"
    assert rows[0].input["messages"][-1]["role"] == "user"
    assert frozen.find(rows[20].id) == rows[20]


def test_the_same_file_gives_the_same_model(shop: Shop, colours: bytes) -> None:
    made = [
        shop.client.fine_tuning.jobs.create(model=BASE, training_file=shop.upload(colours), suffix=suffix)
        for suffix in ("a", "b")
    ]
    shop.work()
    with shop.front.database.reading() as conn:
        found = [models.get(conn, fine_tunes.get(conn, job.id).model_id or "") for job in made]
    assert found[0].manifest == found[1].manifest
    assert found[0].dataset_id == found[1].dataset_id


def test_pairs_are_learned_from_by_their_better_answer(shop: Shop) -> None:
    lines = b"".join(pair_line(f"Is {n} even?", "yes" if n % 2 == 0 else "no", "perhaps") for n in range(40))
    job = shop.client.fine_tuning.jobs.create(
        model=BASE,
        training_file=shop.upload(lines),
        method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1, "n_epochs": 1}}},
    )
    assert job.method
    assert job.method.dpo
    assert job.method.dpo.hyperparameters
    assert job.method.dpo.hyperparameters.beta == 0.1
    shop.work()
    assert shop.client.fine_tuning.jobs.retrieve(job.id).status == "succeeded"
    with shop.front.database.reading() as conn:
        model_id = fine_tunes.get(conn, job.id).model_id or ""
        manifest = datasets.get(conn, models.get(conn, model_id).dataset_id).manifest
    labels = {
        r.label["content"]
        for r in open_dataset(open_store(get_settings().artifacts(), get_settings()), manifest).rows()
    }
    assert labels == {"yes", "no"}


def test_a_bad_file_fails_the_job_with_its_line(shop: Shop, colours: bytes) -> None:
    bad = colours + b'{"messages": [{"role": "user", "content": "secret of a person"}]}\n'
    job = shop.client.fine_tuning.jobs.create(model=BASE, training_file=shop.upload(bad))
    shop.work()
    failed = shop.client.fine_tuning.jobs.retrieve(job.id)
    assert failed.status == "failed"
    assert failed.error
    assert (failed.error.code, failed.error.param) == ("invalid_training_file", "training_file")
    assert "line 41" in (failed.error.message or "")
    assert "secret" not in failed.model_dump_json()
    assert failed.finished_at
    events = list(shop.client.fine_tuning.jobs.list_events(job.id))
    assert events[0].level == "error"
    assert "secret" not in "".join(event.model_dump_json() for event in events)


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"model": "gpt-4o-mini-2024-07-18"}, "model"),
        ({"model": "local-embedding"}, "model"),
        ({"training_file": "file-unknown"}, "training_file"),
        ({"validation_file": "file-unknown"}, "validation_file"),
        ({"seed": -1}, "seed"),
        ({"suffix": "x" * 65}, "suffix"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
        ({"metadata": {"key": "x" * 513}}, "metadata.key"),
        ({"method": {"type": "reinforcement"}}, "method.type"),
        ({"method": {"type": "dpo", "supervised": {}}}, "method"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, "integrations"),
        ({"hyperparameters": {"n_epochs": 51}}, None),
        ({"suffix": "a\x00b"}, None),
        ({"metadata": {"key": "a\x00b"}}, None),
        ({"extra_body": {"unheard_of": 1}}, "unheard_of"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(
    shop: Shop, colours: bytes, asked: dict[str, Any], param: str | None
) -> None:
    request = {"model": BASE, "training_file": shop.upload(colours)} | asked
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)) as refused:
        shop.client.fine_tuning.jobs.create(**request)
    if param:
        assert refused.value.param == param
    assert isinstance(refused.value, openai.NotFoundError) == (param == "model")
    if param == "model":
        assert refused.value.code == "model_not_found"
        assert BASE in str(refused.value)  # says what there is
    assert shop.client.fine_tuning.jobs.list().data == []


def test_a_file_for_another_purpose_is_refused(shop: Shop, colours: bytes) -> None:
    file = shop.client.files.create(file=("a.jsonl", colours), purpose="user_data").id
    with pytest.raises(openai.BadRequestError, match="purpose"):
        shop.client.fine_tuning.jobs.create(model=BASE, training_file=file)


def test_jobs_are_found_by_their_metadata(shop: Shop, colours: bytes) -> None:
    file = shop.upload(colours)
    made = [
        shop.client.fine_tuning.jobs.create(model=BASE, training_file=file, metadata=metadata).id
        for metadata in ({"run": "1", "who": "a"}, {"run": "2", "who": "a"}, None, {"run": "2", "who": "b", "x": ""})
    ]
    list_jobs = shop.client.fine_tuning.jobs.list
    assert [job.id for job in list_jobs(limit=1)] == made[::-1]
    assert [job.id for job in list_jobs(metadata={"run": "2"})] == [made[3], made[1]]
    assert [job.id for job in list_jobs(metadata={"run": "2", "who": "a"})] == [made[1]]
    assert [job.id for job in list_jobs(metadata={"x": ""})] == [made[3]]
    assert [job.id for job in list_jobs(extra_query={"metadata": "null"})] == [made[2]]
    assert list_jobs(metadata={"run": "3"}).data == []
    assert list_jobs(after=made[1]).data[0].id == made[0]


def test_the_same_key_asks_for_one_job(shop: Shop, colours: bytes) -> None:
    body = {"model": BASE, "training_file": shop.upload(colours)}
    with shop.front.client(**{"Idempotency-Key": "once"}) as client:
        first, second = (client.post(f"{PREFIX}/fine_tuning/jobs", json=body) for _ in range(2))
        other = client.post(f"{PREFIX}/fine_tuning/jobs", json=body | {"seed": 1})
    assert first.json() == second.json()
    assert other.status_code == 400
    assert other.json()["error"]["code"] == "idempotency_key_reused"
    assert len(shop.client.fine_tuning.jobs.list().data) == 1


def test_a_waiting_job_is_cancelled_at_once(shop: Shop, colours: bytes) -> None:
    job = shop.client.fine_tuning.jobs.create(model=BASE, training_file=shop.upload(colours))
    assert shop.client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="already cancelled"):
        shop.client.fine_tuning.jobs.cancel(job.id)
    shop.work()
    assert shop.client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model is None


def test_a_running_job_stops_at_its_next_step(shop: Shop, colours: bytes) -> None:
    job = shop.client.fine_tuning.jobs.create(model=BASE, training_file=shop.upload(colours))
    ledger = shop.job_of(job.id)
    with shop.front.database.transaction() as conn:
        attempts.claim(conn, ledger.id, worker="w", lease=timedelta(minutes=5))
    assert shop.client.fine_tuning.jobs.cancel(job.id).status == "validating_files"  # it still runs
    assert shop.job_of(job.id).cancel_requested


def test_a_paused_job_rests_until_it_is_resumed(shop: Shop, colours: bytes) -> None:
    job = shop.client.fine_tuning.jobs.create(model=BASE, training_file=shop.upload(colours))
    assert shop.client.fine_tuning.jobs.pause(job.id).status == "queued"
    shop.work()
    assert shop.job_of(job.id).state is JobState.WAITING
    assert shop.client.fine_tuning.jobs.retrieve(job.id).status == "queued"
    assert shop.client.fine_tuning.jobs.resume(job.id).status == "queued"
    shop.work()
    assert shop.client.fine_tuning.jobs.retrieve(job.id).status == "succeeded"
    told = [event.message for event in shop.client.fine_tuning.jobs.list_events(job.id)]
    assert "paused by tester" in told
    assert "resumed by tester" in told
    for late in (shop.client.fine_tuning.jobs.pause, shop.client.fine_tuning.jobs.resume):
        with pytest.raises(openai.BadRequestError):
            late(job.id)


def test_a_deleted_file_is_still_trained_on(shop: Shop, colours: bytes) -> None:
    file = shop.upload(colours)
    job = shop.client.fine_tuning.jobs.create(model=BASE, training_file=file)
    shop.client.files.delete(file)
    shop.work()
    assert shop.client.fine_tuning.jobs.retrieve(job.id).status == "succeeded"


def test_nobody_trains_a_fine_tune_twice(shop: Shop, colours: bytes) -> None:
    job = shop.client.fine_tuning.jobs.create(model=BASE, training_file=shop.upload(colours))
    shop.work()
    with shop.front.client() as client:
        second = client.post("/v1/llm/train-local", json={"fine_tune_id": job.id})
        assert second.status_code == 202
        shop.work()
        assert client.get(f"/v1/jobs/{second.json()['id']}").json()["error"]["code"] == "refused"
    tuned = [model for model in shop.client.models.list().data if model.id.startswith("ft:")]
    assert len(tuned) == 1


def test_unknown_jobs_are_not_found(shop: Shop) -> None:
    ours = shop.client.fine_tuning.jobs
    for ask in (ours.retrieve, ours.cancel, ours.pause, ours.resume, ours.list_events, ours.checkpoints.list):
        with pytest.raises(openai.NotFoundError) as unknown:
            ask("ftjob-unknown")
        assert unknown.value.code == "fine_tune_not_found"


_RUN = """
INSERT INTO provider_jobs (id, job_id, request_hash, state, pipeline, surface, dataset_id, provider, server, base_model,
    method, suffix, files, file_sha256, row_count, tokens, estimated_usd, provider_job_id)
SELECT 'pj_1', %s, 'h', 'polling', 'llm', 'default', id, 'local', 'local', 'b', 'supervised', 's', '{}', 'f', 1, 1, 0,
    %s FROM datasets
"""


def test_whoever_waits_for_it_as_a_provider_s_job_is_woken_at_its_end(shop: Shop, colours: bytes) -> None:
    file = shop.upload(colours)
    shop.client.fine_tuning.jobs.create(model=BASE, training_file=file)
    shop.work()
    job = shop.client.fine_tuning.jobs.create(model=BASE, training_file=file)
    driver = jobs.new_job(get_step("probe.effectful"), Number(value=1), actor="tester")
    with shop.front.database.transaction() as conn:
        jobs.submit(conn, [driver])
        claimed = attempts.claim(conn, driver.id, worker="w", lease=timedelta(minutes=5))
        assert claimed
        attempts.wait(conn, driver.id, claimed.attempt, after=timedelta(hours=1), reason="waits for its fine-tune")
        conn.execute(_RUN, [driver.id, job.id])
    run_job(shop.job_of(job.id).id)
    waiting = shop.front.job(driver.id)
    assert (waiting.state, waiting.sent_at) == (JobState.WAITING, None)  # the relay sends its wake-up
    assert waiting.run_at < datetime.now(UTC)
