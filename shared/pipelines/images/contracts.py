"""What images speaks: an image as an input, what people said of it, and a score."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from shared.artifacts import FileRef
from shared.contracts import Contract, JsonObject
from shared.errors import InvalidInputError
from shared.ids import IMAGE, content_id
from shared.pipelines.images.policy import policy

NAME: Final = "images"

TargetType = Literal["binary", "regression"]
"""What is learned, and the pipeline's surfaces: whether a picture is a good one, or how good it is."""
TARGET_TYPES: Final[tuple[TargetType, ...]] = ("binary", "regression")

ScorePath = Literal["onnx", "cache", "baseline", "baseline-fallback"]
"""How a score came about."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ImageId = Annotated[str, Field(pattern=r"^img_[0-9a-f]{32}$", examples=["img_0f2b6c1de8a94b6fb1a3c5d7e9f01234"])]
Stars = Annotated[int, Field(ge=1, le=5)]


class ImageInput(Contract):
    """A picture: an image that was imported and where its cleaned bytes are, or a file that was just uploaded.

    An ``uploaded`` file has no id, and its bytes are as they came.
    """

    image: ImageId | None = None
    artifact: Sha256
    bytes: int = Field(ge=1)
    uploaded: bool = False
    hour: int | None = Field(default=None, ge=0, le=23)
    """Of the day when it was taken, on the camera's own clock as far as its source says so."""

    @property
    def file(self) -> FileRef:
        """The artifact with the bytes."""
        return FileRef(sha256=self.artifact, size=self.bytes)


class Rated(Contract):
    """What people said of an image: the mean of their stars, and how many they were."""

    stars: float = Field(ge=1, le=5)
    ratings: int = Field(ge=1)

    def target(self, target_type: TargetType) -> float:
        """Return what is learned from it: 0.0 or 1.0 for ``binary``, 0 to 1 for ``regression``."""
        share = to_target(self.stars)
        return float(share >= policy().binary_threshold) if target_type == "binary" else share


class Judged(Contract):
    """What a model says of a picture: 0 to 1, and the same as stars."""

    raw_score: float = Field(ge=0, le=1)
    ai_rating: float = Field(ge=1, le=5)


class Score(Contract):
    """The scorer's contract (seed 003). ``model_version`` is the one that truly scored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True)

    raw_score: float = Field(ge=0, le=1)
    ai_rating: float = Field(ge=1, le=5)
    model_version: str
    path: ScorePath


def to_target(stars: float) -> float:
    """Map a rating of 1 to 5 stars to 0 to 1 (seed 003)."""
    return (stars - 1) / 4


def to_stars(share: float) -> float:
    """Map 0 to 1 back to 1 to 5 stars (seed 003)."""
    return 1 + 4 * share


def parse_input(raw: object) -> ImageInput:
    """Check the JSON of an example or a call. Raises InvalidInputError."""
    try:
        return ImageInput.model_validate(raw)
    except ValidationError as error:
        fields = sorted({".".join(map(str, fault["loc"])) or "the input" for fault in error.errors()})
        raise InvalidInputError(
            f"no image: {', '.join(fields)} is missing or wrong", advice="give the id of an image that was imported"
        ) from None


def parse_label(raw: object) -> Rated:
    """Read the label of an example, as the view ``images_examples`` has it. Raises pydantic's ValidationError."""
    return Rated.model_validate(raw)


def as_json(score: Score) -> JsonObject:
    """Return the score with the seed's own names."""
    return score.model_dump(mode="json")


def image_id(sha256: str) -> str:
    """Return the id of the image whose file, as it came in, has this SHA-256."""
    return content_id(IMAGE, sha256)


def webcam_id(name: str) -> str:
    """Return the id of the webcam of this name. It is also the group that is never parted by a split."""
    return content_id("cam", name)
