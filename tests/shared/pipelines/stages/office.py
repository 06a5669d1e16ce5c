"""The stages' data steps as a person runs them: files go up, rows are decided on, datasets come down."""

import json
from dataclasses import dataclass
from typing import Any

from shared.contracts import JsonObject
from shared.files import ResultFiles, upload_manifest
from tests.shared.pipelines.stages.made import lines
from tests.support.school import School


@dataclass(frozen=True)
class Office(School):
    """A database with the table of the stages."""

    pipeline: str = "stages"

    def upload(self, content: bytes) -> str:
        return self.store.publish(upload_manifest(self.store.put(content)))

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
