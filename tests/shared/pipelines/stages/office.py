"""The stages' data steps as a person runs them: files go up, rows are decided on, datasets come down."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import ids, models
from shared.contracts import JsonObject
from shared.db import datasets
from shared.files import ResultFiles, upload_manifest, uploads_of
from shared.llm.provider_model import ProviderModel
from shared.pipelines.stages.versions import Stage
from tests.shared.pipelines.stages.made import lines
from tests.support.school import School

TUNED = "ft:gpt-4.1-mini:stages"


@dataclass(frozen=True)
class Office(School):
    """A database with the table of the stages."""

    pipeline: str = "stages"

    def upload(self, content: bytes) -> str:
        uploads = uploads_of(self.store)
        return uploads.publish(upload_manifest(uploads.put(content)))

    def send(self, objects: list[JsonObject]) -> str:
        return self.upload(lines(objects))

    def bring(self, objects: list[JsonObject], **params: Any) -> JsonObject:
        """Import rows."""
        return self.run("import-rows", file=self.send(objects), **params)

    def file(self, result: JsonObject, name: str) -> list[JsonObject]:
        """Return the lines of a file of a step's result."""
        files = ResultFiles.model_validate(result["files"])
        with self.store.open(self.store.manifest(files.manifest).files[name]) as file:
            return [json.loads(line) for line in file]

    def review(self, result: JsonObject) -> list[JsonObject]:
        """Return the lines of the review file of a result."""
        (name,) = result["files"]["sizes"]
        assert name.startswith("train/review/review_pack_")
        assert name.endswith(".jsonl")
        return self.file(result, name)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.database.reading() as conn:
            return conn.execute(query.encode(), values).fetchall()

    def change(self, statement: str, *values: Any) -> None:
        with self.database.transaction() as conn:
            conn.execute(statement.encode(), values)

    def activate(self, folder: Path, stage: Stage, provider: str = "127.0.0.1") -> str:
        """Register a fine-tuned model of a stage, as the step ``finetune`` does, and make it active."""
        described = ProviderModel(
            provider=provider, model=TUNED, base_model="gpt-4.1-mini", provider_job_id="ftjob-1",
            training_file_sha256="0" * 64, method="supervised",
        )  # fmt: skip
        place = folder / stage
        place.mkdir()
        described.write(place)
        model_id, dataset_id = ids.new_id(ids.MODEL), ids.content_id(ids.DATASET, stage)
        with self.database.transaction() as conn:
            datasets.insert(
                conn, dataset_id=dataset_id, pipeline="stages", surface=stage, manifest="0" * 64, rows=1,
                splits={"train": 1}, seed=42, job_id=None,
            )  # fmt: skip
            models.register(
                conn, model_id=model_id, pipeline="stages", surface=stage, dataset_id=dataset_id, job_id=None,
                manifest=self.store.put_folder("model", place, {}), libraries={}, metrics={},
                parameters={"provider": provider, "provider_model": TUNED, "base_model": "gpt-4.1-mini"},
            )  # fmt: skip
            conn.execute("UPDATE models SET state = 'active' WHERE id = %s", [model_id])
        return model_id
