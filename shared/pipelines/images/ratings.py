"""The step ``import-ratings``: what people said of images comes in as a CSV, all of it or nothing."""

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract
from shared.db import images
from shared.db.images import StagedRating
from shared.errors import InvalidInputError
from shared.files import Upload, open_upload
from shared.lines import read_records
from shared.pipeline import Done, Run
from shared.pipelines.images.rating_lines import read_rating
from shared.refusals import LISTED, LineCheck

_NEEDED: Final = ("image", "stars")
_BATCH: Final = 2_000  # lines for one transaction
_LONGEST: Final = 64  # of what names an image


class ImportRatingsParams(Contract):
    """The file with the ratings."""

    file: Upload = Field(
        description="A CSV: `image` (its id, or the SHA-256 of its file as it was imported) and `stars` (1 to 5);"
        " `rater` (else you), `kind` (manual or public, else manual), `rated_at` (else now)."
    )


class ImportRatingsResult(Contract):
    """Lines read. ``changed``: the same person had said something else before; others were there already."""

    ratings: int
    new: int
    changed: int
    known: int
    kinds: dict[str, int]


def import_ratings(run: Run, params: ImportRatingsParams) -> Done:
    """Check and stage every line; what is returned then moves all of them in.

    Raises InvalidInputError with the code ``ratings-refused`` when any line is bad: its details have the first 100.
    """
    with run.staging() as conn:
        images.stage_ratings(conn, run.job_id, run.attempt)
    kinds = Counter[str]()

    def read(fields: Mapping[str, Any], line: int) -> StagedRating:
        row = _staged(line, fields, run.actor)
        kinds[row.kind] += 1
        return row

    check = LineCheck(read, write_all=True)
    with open_upload(run, params.file) as file:
        records = read_records(file, "csv", _NEEDED)
        while batch := list(islice(records, _BATCH)):
            with run.staging() as conn, images.staged_ratings(conn, run.job_id, run.attempt) as write:
                check.some(batch, write)
            run.report(0.4, "checking ratings", rows=check.lines, refused=check.refused)
    _refuse_unknown(run, check)
    if check.refused or not check.lines:
        with run.staging() as conn:
            images.drop_ratings(conn, run.job_id, run.attempt)
        raise check.refusal(
            "ratings",
            "imported",
            code="ratings-refused",
            advice="correct the lines listed in the details and send the whole file again; imported.csv of an import"
            " has the ids of its images",
            empty="send a CSV with the columns image and stars",
        )
    result = ImportRatingsResult(ratings=check.lines, new=0, changed=0, known=0, kinds=dict(kinds))

    def record(conn: Connection) -> ImportRatingsResult:
        merged = images.merge_ratings(conn, run.job_id, run.attempt)
        known = check.lines - merged.new - merged.changed
        return result.model_copy(update={"new": merged.new, "changed": merged.changed, "known": known})

    return Done(result=result, record=record)


def _refuse_unknown(run: Run, check: LineCheck[StagedRating]) -> None:
    with run.reading() as conn:
        lines, count = images.unknown_images(conn, run.job_id, run.attempt, LISTED)
    for number, line in enumerate(lines):
        times = count - len(lines) + 1 if number == len(lines) - 1 else 1  # the last one stands for the rest
        check.refuse(line, "unknown-image", "there is no such image", times=times)


def _staged(line: int, fields: Mapping[str, Any], rater: str) -> StagedRating:
    image = str(fields["image"]).strip()
    if not 1 <= len(image) <= _LONGEST or not image.isascii() or not image.isprintable():
        raise InvalidInputError("image must be the id of an image, or the SHA-256 of its file")
    return StagedRating(line=line, image=image, **vars(read_rating(fields, rater)))
