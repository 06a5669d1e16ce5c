"""A manifest: one line for each labelled image, as ``export-dataset`` writes it and training and evaluation read it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, BinaryIO, Final

from pydantic import BeforeValidator, Field, ValidationError

from shared.contracts import Contract
from shared.csv_files import plain
from shared.errors import InvalidInputError
from shared.lines import Unreadable, read_records
from shared.pipeline import Row
from shared.pipelines.images.contracts import ImageId, ImageInput, Rated, Sha256, TargetType
from shared.pipelines.images.splits import ImageSplit

FULL: Final = "manifest_full.csv"

_Absent: Final = BeforeValidator(lambda cell: None if cell == "" else cell)
_Hour = Annotated[int, Field(ge=0, le=23)]


class ManifestRow(Contract):
    """One labelled image. ``target`` is what is learned: 0.0 or 1.0 (binary), 0 to 1 (regression)."""

    image: ImageId
    artifact: Sha256
    bytes: int = Field(ge=1)
    webcam: str = Field(pattern=r"^cam_[0-9a-f]{32}$")
    captured_at: Annotated[datetime | None, _Absent]
    hour: Annotated[_Hour | None, _Absent]
    ratings: int = Field(ge=1)
    stars: float = Field(ge=1, le=5)
    rated_at: datetime
    target_type: TargetType
    target: float = Field(ge=0, le=1)
    split: ImageSplit

    def as_row(self) -> Row:
        """Return the row as a frozen dataset has it: the same input and label; the group is the webcam."""
        given = ImageInput(image=self.image, artifact=self.artifact, bytes=self.bytes, hour=self.hour)
        return Row(
            id=self.image, group=self.webcam, split=self.split,
            input=given.model_dump(mode="json", exclude={"uploaded"}),
            label=Rated(stars=self.stars, ratings=self.ratings).model_dump(mode="json"), at=self.rated_at,
        )  # fmt: skip


COLUMNS: Final = tuple(ManifestRow.model_fields)


def file_of(split: ImageSplit) -> str:
    """Return the name of a split's manifest (seed 003)."""
    return f"manifest_{split}.csv"


def read_manifest(file: BinaryIO, target_type: TargetType) -> Iterator[ManifestRow]:
    """Yield the lines of a manifest. Raises InvalidInputError that names the first bad line, or another target type."""
    for line, fields in read_records(file, "csv", COLUMNS):
        if isinstance(fields, Unreadable):
            raise _bad(line, fields.reason)
        try:
            row = ManifestRow.model_validate({column: plain(fields[column]) for column in COLUMNS})
        except ValidationError as error:
            wrong = sorted({str(fault["loc"][0]) for fault in error.errors()})
            raise _bad(line, f"wrong: {', '.join(wrong)}") from None
        if row.target_type != target_type:
            raise InvalidInputError(
                f"the manifest was made for the target type {row.target_type}, not {target_type}",
                advice=f"give --target-type {row.target_type}, or export the dataset again",
            )
        yield row


def _bad(line: int, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"line {line} of the manifest is none of a manifest's: {why}", advice="give a file that export-dataset has made"
    )
