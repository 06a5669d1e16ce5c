"""Gold's data steps as a person runs them: reports go up, drafts come down, are answered and go up again."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.contracts import JsonObject
from shared.files import ResultFiles, upload_manifest, uploads_of
from shared.pipelines.gold.sample_expert import answer_file
from tests.support.school import School

REPORTS = ("quotes", "invoices", "jobs")


@dataclass(frozen=True)
class Gold(School):
    """A database with gold's tables, and the folder of the sample reports."""

    reports: Path = Path()

    def upload(self, content: bytes) -> str:
        uploads = uploads_of(self.store)
        return uploads.publish(upload_manifest(uploads.put(content)))

    def uploads(self) -> dict[str, str]:
        return {name: self.upload((self.reports / f"{name}.csv").read_bytes()) for name in REPORTS}

    def reseed(self) -> JsonObject:
        return self.run("reseed", **self.uploads())

    def file(self, result: JsonObject, name: str) -> bytes:
        """Return a file of a step's result."""
        files = ResultFiles.model_validate(result["files"])
        ref = self.store.manifest(files.manifest).files[name]
        with self.store.open(ref) as file:
            return file.read()

    def drafts(self, **params: Any) -> list[JsonObject]:
        drafts: list[JsonObject] = json.loads(self.file(self.run("export-drafts", **params), "drafts.json"))
        return drafts

    def answered(self, folder: Path, share: float = 1.0) -> list[JsonObject]:
        """Return the drafts with a person's answers, or a share of them."""
        path = folder / "drafts.json"
        path.write_text(json.dumps(self.drafts()))
        answer_file(path, share=share)
        drafts: list[JsonObject] = json.loads(path.read_text())
        return drafts

    def import_drafts(self, drafts: Any, **params: Any) -> JsonObject:
        return self.run("import-gold", file=self.upload(json.dumps(drafts).encode()), **params)

    def refused_drafts(self, drafts: Any, **params: Any) -> JsonObject:
        return self.refusal("import-gold", file=self.upload(json.dumps(drafts).encode()), **params)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.database.reading() as conn:
            return conn.execute(query.encode(), values).fetchall()


def csv_file(text: str) -> io.BytesIO:
    return io.BytesIO(text.encode())


def edited(drafts: list[JsonObject], place: int, change: JsonObject) -> list[JsonObject]:
    """Return the drafts with some fields of one of them changed."""
    return [draft | change if number == place else draft for number, draft in enumerate(drafts)]
