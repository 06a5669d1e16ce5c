"""A provider for dedup's tests, over a real socket: vectors by words, and answers by a rule that is easy to see.

Two statements are near when they share words; the model merges them when their first words are the same.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared import ids, models
from shared.contracts import JsonObject
from shared.db import datasets
from shared.llm.completions import _completions_of, default_completions
from shared.llm.embeddings import _embeddings_of, default_embeddings
from shared.llm.provider_model import ProviderModel
from tests.shared.pipelines.dedup.desk import Desk

TUNED = "ft:gpt-4o-mini:dedup"
DIMENSIONS = 64
CURVE = [
    {"threshold": n / 100, "merges": 200, "right": 199, "precision": 0.995, "low": 0.972, "high": 0.999, "recall": 0.9}
    for n in range(50, 101)
]


def by_words(text: str) -> list[float]:
    """Return a vector to which each word adds at a place of its own."""
    vector = [0.0] * DIMENSIONS
    for word in text.casefold().split():
        vector[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1.0
    return vector


def by_first_word(body: JsonObject) -> str:
    asked = json.loads(body["messages"][-1]["content"])
    return "merge" if asked["a"].split()[0] == asked["b"].split()[0] else "separate"


@contextmanager
def fresh_clients() -> Iterator[None]:
    """Let this process ask the provider of the test's settings, and close its connections in the end."""
    for made in (_completions_of, _embeddings_of):
        made.cache_clear()
    yield
    for made, default in ((_completions_of, default_completions), (_embeddings_of, default_embeddings)):
        if made.cache_info().currsize:
            default().close()
        made.cache_clear()


def activate(desk: Desk, folder: Path, *, curve: list[JsonObject] | None = None, provider: str = "127.0.0.1") -> str:
    """Register a fine-tuned model with what its evaluation said, and make it active."""
    described = ProviderModel(
        provider=provider, model=TUNED, base_model="gpt-4o-mini", provider_job_id="ftjob-1",
        training_file_sha256="0" * 64, method="supervised",
    )  # fmt: skip
    place = folder / "model"
    place.mkdir()
    described.write(place)
    model_id, dataset_id = ids.new_id(ids.MODEL), ids.content_id(ids.DATASET, "made")
    metrics = {"all": {"rows": 400, "candidate": {"rows": 400, "curve": CURVE if curve is None else curve}}}
    with desk.database.transaction() as conn:
        datasets.insert(
            conn, dataset_id=dataset_id, pipeline="dedup", surface="default", manifest="0" * 64, rows=1,
            splits={"train": 1}, seed=42, job_id=None,
        )  # fmt: skip
        models.register(
            conn, model_id=model_id, pipeline="dedup", surface="default", dataset_id=dataset_id, job_id=None,
            manifest=desk.store.put_folder("model", place, {}), libraries={}, metrics=metrics,
            parameters={"provider": provider, "provider_model": TUNED, "base_model": "gpt-4o-mini"},
        )  # fmt: skip
        conn.execute("UPDATE models SET state = 'active', metrics = %s WHERE id = %s", [json.dumps(metrics), model_id])
    return model_id
