"""The data steps of images as a person runs them: pictures and ratings go up, manifests come down."""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared import jobs
from shared.contracts import JsonObject
from shared.files import ResultFiles, upload_manifest, uploads_of
from tests.support.school import School


def zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as pack:
        for name, data in files.items():
            pack.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


@dataclass(frozen=True)
class Studio(School):
    """A database with the tables of images, and a store of artifacts."""

    pipeline: str = "images"

    def upload(self, content: bytes) -> str:
        uploads = uploads_of(self.store)
        return uploads.publish(upload_manifest(uploads.put(content)))

    def bring(self, files: Mapping[str, bytes], **params: Any) -> JsonObject:
        """Import pictures by their paths."""
        return self.run("import", images=self.upload(zipped(files)), **params)

    def lines(self, result: JsonObject, name: str) -> list[dict[str, str]]:
        """Return the lines of a CSV of a step's result; the name may be the end of its path."""
        files = ResultFiles.model_validate(result["files"])
        (path,) = [each for each in files.sizes if each.endswith(name)]
        with self.store.open(self.store.manifest(files.manifest).files[path]) as file:
            return list(csv.DictReader(io.TextIOWrapper(file, "utf-8", newline="")))

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.database.reading() as conn:
            return conn.execute(query.encode(), values).fetchall()

    def rescue(self, job_id: str) -> None:
        """Let the lease of a dead worker run out, as the sweep finds it."""
        with self.database.transaction() as conn:
            conn.execute("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = %s", [job_id])
            assert [job.id for job in jobs.rescue(conn)] == [job_id]
            conn.execute("UPDATE jobs SET failures = 0 WHERE id = %s", [job_id])  # no limit to kills here

    def rate(self, rows: Sequence[Mapping[str, Any]]) -> JsonObject:
        return self.run("import-ratings", file=self.upload(table(rows)))
