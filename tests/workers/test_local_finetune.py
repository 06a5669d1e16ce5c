"""Fine-tuning on our own queue, with real processes: a killed worker costs time, and nothing else."""

import random
import signal
from collections.abc import Callable

import httpx2
import pytest
from openai import OpenAI

from shared import models
from shared.db import fine_tunes
from shared.db.pool import Database
from shared.stack.process import ChildProcess
from tests.api.openai.conftest import PREFIX, chat_line, hold_to_description
from tests.support.processes import ApiServer
from tests.support.waiting import wait_until

Worker = Callable[..., ChildProcess]
Workers = Callable[..., list[ChildProcess]]

LINES = 20_000  # some seconds of work: long enough to be met alive


def _file() -> bytes:
    """Return questions and answers of made-up words, always the same."""
    dice = random.Random(4)  # noqa: S311  (no secret)
    words = ["".join(dice.choices("abcdefghij", k=6)) for _ in range(2000)]

    def sentence() -> str:
        return " ".join(dice.choices(words, k=20))

    return b"".join(chat_line(sentence(), sentence()) for _ in range(LINES))


@pytest.mark.slow(25)
@pytest.mark.timeout(240)
def test_a_killed_gpu_worker_costs_time_and_makes_one_model(
    api_server: Callable[..., ApiServer], worker: Worker, workers: Workers, database: Database
) -> None:
    server = api_server()
    first, *_ = workers("gpu", "sweeps", "beat")
    http = httpx2.Client(trust_env=False, event_hooks={"response": [hold_to_description]})
    with OpenAI(base_url=server.url + PREFIX, api_key=server.key, max_retries=0, http_client=http) as client:
        file = client.files.create(file=("train.jsonl", _file()), purpose="fine-tune")
        job = client.fine_tuning.jobs.create(model="local-nearest", training_file=file.id, seed=3)

        wait_until(lambda: client.fine_tuning.jobs.retrieve(job.id).status == "running", timeout=60)
        first.send_to_all(signal.SIGSTOP)  # nothing happens between the look and the kill
        assert client.fine_tuning.jobs.retrieve(job.id).status == "running"
        first.kill()
        worker("gpu")
        wait_until(lambda: client.fine_tuning.jobs.retrieve(job.id).finished_at, timeout=120)

        done = client.fine_tuning.jobs.retrieve(job.id)
        assert done.status == "succeeded"
        told = [event.message for event in client.fine_tuning.jobs.list_events(job.id, limit=100)]
        assert told.count("The fine-tuning job has started") == 2
        assert [m.id for m in client.models.list() if m.id.startswith("ft:")] == [done.fine_tuned_model]
    with database.reading() as conn:
        assert conn.execute("SELECT count(*) FROM models").fetchone() == (1,)
        assert conn.execute("SELECT count(*) FROM datasets").fetchone() == (1,)
        row = fine_tunes.get(conn, job.id)
        assert models.get(conn, row.model_id or "").manifest
