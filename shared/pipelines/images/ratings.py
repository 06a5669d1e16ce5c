"""The step ``import-ratings``: what people said of images comes in as a CSV, all of it or nothing."""

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract
from shared.db import images
from shared.db.images import StagedRating
from shared.errors import InvalidInputError
from shared.files import Upload, open_upload
from shared.lines import Record, Unreadable, read_records
from shared.pipeline import Done, Run
from shared.pipelines.images.rating_lines import read_rating

_NEEDED: Final = ("image", "stars")
_LISTED: Final = 100  # bad lines that are named; of the others only the count
_BATCH: Final = 2_000  # lines for one transaction
_LONGEST: Final = 64  # of what names an image

Write = Callable[[StagedRating], None]


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


class BadLine(Contract):
    """A line that cannot be imported, and why."""

    line: int
    message: str


def import_ratings(run: Run, params: ImportRatingsParams) -> Done:
    """Check and stage every line; what is returned then moves all of them in.

    Raises InvalidInputError with the code ``ratings-refused`` when any line is bad: its details have the first 100.
    """
    with run.staging() as conn:
        images.stage_ratings(conn, run.job_id, run.attempt)
    check = _Check(run.actor)
    with open_upload(run, params.file) as file:
        records = read_records(file, "csv", _NEEDED)
        while batch := list(islice(records, _BATCH)):
            with run.staging() as conn, images.staged_ratings(conn, run.job_id, run.attempt) as write:
                check.some(batch, write)
            run.report(0.4, "checking ratings", rows=check.rows, refused=check.refused)
    _refuse_unknown(run, check)
    if check.refused or not check.rows:
        with run.staging() as conn:
            images.drop_ratings(conn, run.job_id, run.attempt)
        raise check.refusal()
    result = ImportRatingsResult(ratings=check.rows, new=0, changed=0, known=0, kinds=dict(check.kinds))

    def record(conn: Connection) -> ImportRatingsResult:
        merged = images.merge_ratings(conn, run.job_id, run.attempt)
        known = check.rows - merged.new - merged.changed
        return result.model_copy(update={"new": merged.new, "changed": merged.changed, "known": known})

    return Done(result=result, record=record)


def _refuse_unknown(run: Run, check: "_Check") -> None:
    with run.reading() as conn:
        lines, count = images.unknown_images(conn, run.job_id, run.attempt, _LISTED)
    check.refuse_unknown(lines, count)


class _Check:
    """Goes through the lines of a file, some at a time."""

    def __init__(self, rater: str) -> None:
        self._rater = rater
        self._bad: list[BadLine] = []
        self.rows = 0
        self.refused = 0
        self.kinds: Counter[str] = Counter()

    def some(self, records: list[Record], write: Write) -> None:
        """Check lines and write the good ones."""
        for record in records:
            self.rows += 1
            if isinstance(record.fields, Unreadable):
                self._refuse(record.line, record.fields.reason)
                continue
            try:
                row = _staged(record.line, record.fields, self._rater)
            except InvalidInputError as error:
                self._refuse(record.line, error.message)
                continue
            self.kinds[row.kind] += 1
            write(row)

    def refuse_unknown(self, lines: list[int], count: int) -> None:
        """Note the lines whose image is not here."""
        for line in lines:
            self._refuse(line, "there is no such image")
        self.refused += count - len(lines)

    def _refuse(self, line: int, message: str) -> None:
        self.refused += 1
        if len(self._bad) < _LISTED:
            self._bad.append(BadLine(line=line, message=message))

    def refusal(self) -> InvalidInputError:
        """Return the error that says what is wrong with the file."""
        if not self._bad:
            return InvalidInputError("the file has no ratings", advice="send a CSV with the columns image and stars")
        first = min(self._bad, key=lambda bad: bad.line)
        return InvalidInputError(
            f"{self.refused:,} of {self.rows:,} ratings are refused, so nothing was imported;"
            f" line {first.line}: {first.message}",
            code="ratings-refused",
            advice="correct the lines listed in the details and send the whole file again; imported.csv of an import"
            " has the ids of its images",
            lines=[bad.model_dump() for bad in self._bad],
            refused=self.refused,
            rows=self.rows,
        )


def _staged(line: int, fields: Mapping[str, Any], rater: str) -> StagedRating:
    image = str(fields["image"]).strip()
    if not 1 <= len(image) <= _LONGEST or not image.isascii() or not image.isprintable():
        raise InvalidInputError("image must be the id of an image, or the SHA-256 of its file")
    return StagedRating(line=line, image=image, **vars(read_rating(fields, rater)))
