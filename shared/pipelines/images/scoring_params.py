"""What the steps around scores are asked, and what they answer."""

from typing import Annotated

from pydantic import Field

from shared.contracts import Contract
from shared.files import ResultFiles
from shared.pipelines.images.contracts import ImageId, TargetType
from shared.pipelines.images.policy import policy

Version = Annotated[str, Field(min_length=1, max_length=200)]


class ScoreParams(Contract):
    """Which images to score."""

    target_type: TargetType = Field(
        default=policy().serving.target_type, description="Whether a picture is a good one, or how good it is."
    )
    image: tuple[ImageId, ...] = Field(
        default=(), max_length=10_000, description="Only this image; may be given again. None: all."
    )
    again: bool = Field(default=False, description="Score images anew that this version has scored already.")


class ScoreResult(Contract):
    """What was scored, and by whom: ``paths`` counts how each score came about."""

    sentence: str
    target_type: TargetType
    model_version: str
    model_id: str | None
    scored: int
    unreadable: int
    paths: dict[str, int]


class DisagreementsParams(Contract):
    """Whose scores are held against people's ratings."""

    model_version: Version = Field(description="The version that scored (images.score tells it), as v20260301_120000.")
    limit: int = Field(default=200, ge=1, le=2_000, description="How many images the report has, the worst first.")
    target_type: TargetType | None = Field(default=None, description="Only scores of this kind. Empty: both.")
    public: bool = Field(default=False, description="The public's ratings count too.")


class DisagreementsResult(Contract):
    """The report. The review of disagreements hands out the same images."""

    sentence: str
    model_version: str
    compared: int
    listed: int
    mean_gap: float | None
    worst: float | None
    files: ResultFiles


class DueParams(Contract):
    """How many newly rated images are enough to train again."""

    new_images: int | None = Field(
        default=None, ge=1, description="Newly rated images that start a training. Empty: as the policy says."
    )


class DueResult(Contract):
    """The images of each surface that people rated after it was last frozen, and the surfaces with enough of them."""

    sentence: str
    due: tuple[TargetType, ...]
    new: dict[TargetType, int]


class RetrainedResult(Contract):
    """What became of each surface that was due, in a sentence each."""

    sentence: str
    promoted: tuple[TargetType, ...]
    surfaces: dict[TargetType, str]
