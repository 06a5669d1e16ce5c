"""The step ``import``: pictures come in from a zip, a folder or addresses. A bad one is listed and stops nothing else.

Pictures are cleaned, stored and written down in small rounds: an attempt that is killed has lost its last round at
most, and the next one goes on behind it.
"""

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract
from shared.csv_files import write_csv
from shared.db import images
from shared.db.images import ImportTally, Looked, NewImage, Outcome
from shared.errors import InvalidInputError
from shared.files import ResultFiles, Upload, open_upload, publish_files
from shared.pipeline import Done, Run
from shared.pipelines.images.contracts import image_id, webcam_id
from shared.pipelines.images.policy import policy

if TYPE_CHECKING:
    from shared.pipelines.images.import_sources import Entry, Pack

FILE: Final = "imported.csv"
FOLDER: Final = "images"

_ROUND: Final = 32  # pictures that are written down together
_THREADS: Final = 4  # one decodes while another waits for the disk or for a server
_LISTED: Final = 100  # refused pictures that the result names; the file has all
_COLUMNS: Final = ("position", "name", "outcome", "image", "reason", "message")


class ImportImagesParams(Contract):
    """Where the pictures are, and what is known of them."""

    images: Upload | None = Field(
        default=None,
        description="A zip with the pictures, or (command line) their folder, which is then sent as a zip. Without a"
        " manifest, a picture's webcam is the folder that it is in.",
        json_schema_extra={"folder": "zip"},
    )
    manifest: Upload | None = Field(
        default=None,
        description="A CSV with a line for each picture: `image` (its path in the zip) or `url` (https), and what is"
        " known: `webcam` (or `group`), `captured_at`, `stars` (1 to 5), `rater`, `kind`, `rated_at`. A `manifest.csv`"
        " in the root of the zip is taken by itself.",
    )
    webcam: str | None = Field(
        default=None, min_length=1, max_length=200, description="The webcam of pictures of which nothing else says it."
    )
    label_column: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="A column of the manifest with yes or no (1 or 0): it is taken as a rating of 5 stars or 1.",
    )


class RefusedImage(Contract):
    """A picture that did not come in: its number in the zip or manifest, and why."""

    position: int
    reason: str
    message: str


class ImportImagesResult(Contract):
    """What came in. ``known``: there already, or twice. ``imported.csv`` has every picture with its name and id."""

    sentence: str
    images: int
    new: int
    known: int
    refused: int
    rated: int
    webcams: int
    reasons: dict[str, int]
    refusals: tuple[RefusedImage, ...]
    files: ResultFiles


def import_images(run: Run, params: ImportImagesParams) -> Done:
    """Take in the pictures. Raises InvalidInputError when there is none, or not one of them can be taken.

    That error has the code ``images-refused``, and the first 100 with their reasons as ``refusals`` in its details.
    """
    if not (params.images or params.manifest):
        raise InvalidInputError("no pictures were given", advice="give --images FOLDER or ZIP, --manifest CSV, or both")
    with run.reading() as conn:
        tally = images.import_tally(conn, run.job_id)
    pack, entries = _sources(run, params)
    waiting = (entry for entry in entries if entry.position > tally.last)
    with ThreadPoolExecutor(_THREADS) as pool:
        while some := list(islice(waiting, _ROUND)):
            looked = list(pool.map(lambda entry: _look(run, entry, pack), some))
            with run.fenced() as conn:
                images.put_looked(conn, run.job_id, looked)
                tally = images.import_tally(conn, run.job_id)
            done = tally.new + tally.known
            run.report(_fraction(tally.last, pack), "importing pictures", images=done, refused=tally.refused)
    return _ended(run, tally)


def _sources(run: Run, params: ImportImagesParams) -> tuple["Pack | None", Iterator["Entry"]]:
    from shared.pipelines.images.import_sources import OWN_MANIFEST, Pack, Wanted, entries_of_manifest, entries_of_pack

    label = params.label_column.strip().lower() if params.label_column else None
    wanted = Wanted(webcam=params.webcam, rater=run.actor, label_column=label)
    pack = Pack(_fetched(run, params.images)) if params.images else None
    if params.manifest:
        return pack, entries_of_manifest(open_upload(run, params.manifest), wanted)
    if pack is not None and OWN_MANIFEST in pack:
        return pack, entries_of_manifest(pack.open(OWN_MANIFEST), wanted)
    if pack is None or label:
        raise InvalidInputError("--label-column names a column of a manifest", advice="give a --manifest too")
    return pack, entries_of_pack(pack, wanted)


def _fetched(run: Run, upload: str) -> Path:
    """Copy the zip to the attempt's folder: its list of files is at its end, so it is not read front to back."""
    path = run.workdir / "images.zip"
    with open_upload(run, upload) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return path


def _look(run: Run, entry: "Entry", pack: "Pack | None") -> Looked:
    """Clean and store one picture; whatever is wrong with it becomes the reason why it is refused."""
    from shared.pipelines.images.import_sources import bytes_of

    if entry.reason:
        return Looked(position=entry.position, name=entry.name, reason=entry.reason, message=entry.message)
    try:
        data = bytes_of(entry, pack)
        image = _stored(run, data, entry.webcam, entry.captured_at)
    except InvalidInputError as error:
        return Looked(position=entry.position, name=entry.name, reason=error.instance_code, message=error.message)
    return Looked(position=entry.position, name=entry.name, image=image, rating=entry.rating)


def _stored(run: Run, data: bytes, webcam: str, captured_at: datetime | None) -> NewImage:
    from shared.pipelines.images.decoding import clean

    cleaned = clean(data)
    source = hashlib.sha256(data).hexdigest()
    taken_at = captured_at or cleaned.taken_at
    if taken_at is not None and taken_at.tzinfo is None:
        taken_at = taken_at.replace(tzinfo=UTC)
    file = run.artifacts.put(cleaned.data)
    return NewImage(
        id=image_id(source), webcam_id=webcam_id(webcam), webcam=webcam, captured_at=taken_at,
        hour=taken_at.hour if taken_at else None, source=source, artifact=file.sha256, bytes=file.size,
        width=cleaned.width, height=cleaned.height, format=cleaned.format,
    )  # fmt: skip


def _fraction(done: int, pack: "Pack | None") -> float:
    # of a manifest alone, nobody knows how long it is before its end
    expected = len(pack.names) if pack else policy().limits.max_images
    return min(done / max(expected, 1), 0.95)


def _ended(run: Run, tally: ImportTally) -> Done:
    with run.reading() as conn:
        refused = images.refusals(conn, run.job_id, _LISTED)
        reasons = images.count_reasons(conn, run.job_id)
        webcams = images.count_webcams(conn, run.job_id)
        path = run.workdir / FILE
        write_csv(path, _COLUMNS, map(_line, images.outcomes(conn, run.job_id)))
    listed = tuple(_told(each) for each in refused)
    if not tally.new + tally.known:
        raise _nothing(run, tally, listed, reasons)
    result = ImportImagesResult(
        sentence=_sentence(tally, webcams),
        images=tally.new + tally.known, new=tally.new, known=tally.known, refused=tally.refused, rated=tally.rated,
        webcams=webcams, reasons=reasons, refusals=listed,
        files=publish_files(run.artifacts, {FILE: path}, folder=FOLDER),
    )  # fmt: skip

    def record(conn: Connection) -> None:
        images.forget_import(conn, run.job_id)

    return Done(result=result, record=record)


def _line(outcome: Outcome) -> dict[str, object]:
    return {**vars(outcome), "image": outcome.image_id}


def _told(outcome: Outcome) -> RefusedImage:
    return RefusedImage(position=outcome.position, reason=outcome.reason or "", message=outcome.message or "")


def _sentence(tally: ImportTally, webcams: int) -> str:
    told = f"{tally.new:,} new pictures of {webcams:,} webcams"
    told += f", {tally.known:,} known already" if tally.known else ""
    return told + (f"; {tally.refused:,} refused: see {FILE}." if tally.refused else ".")


def _nothing(
    run: Run, tally: ImportTally, listed: tuple[RefusedImage, ...], reasons: dict[str, int]
) -> InvalidInputError:
    with run.fenced() as conn:
        images.forget_import(conn, run.job_id)
    if not tally.refused:
        return InvalidInputError("there are no pictures in it", advice="check what was sent: hidden files do not count")
    return InvalidInputError(
        f"none of {tally.refused:,} pictures can be taken; number {listed[0].position}: {listed[0].message}",
        code="images-refused",
        advice="look at the reasons in the details; pictures must be JPEG, PNG or WebP",
        refusals=[each.model_dump() for each in listed],
        reasons=reasons,
    )
