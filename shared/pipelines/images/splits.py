"""Which of train, val and test an image is in: decided by a hash of its webcam and the seed, and by nothing else.

``test`` is what the loop holds out (``shared/splits.py``), so a manifest and a frozen dataset of one seed agree. Of the
other webcams a second hash takes some for validation. New images, and new webcams, never move an old webcam.
"""

from typing import Final, Literal

from shared.pipeline import SplitPolicy
from shared.pipelines.images.policy import policy
from shared.splits import split_of

ImageSplit = Literal["train", "val", "test"]
SPLITS: Final[tuple[ImageSplit, ...]] = ("train", "val", "test")

_VALIDATION: Final = "val:"  # another hash than that of the test split, or no webcam would fall into it


def split_policy(seed: int | None = None) -> SplitPolicy:
    """Return how the loop splits, with the policy's own seed or another."""
    return SplitPolicy(test_share=policy().test_share, seed=policy().seed if seed is None else seed)


def image_split(webcam: str, seed: int | None = None) -> ImageSplit:
    """Return the split of all images of a webcam (its id)."""
    held_out = split_policy(seed)
    if split_of(webcam, held_out) == "test":
        return "test"
    return "val" if validation(webcam, held_out.seed) else "train"


def validation(webcam: str, seed: int) -> bool:
    """Whether a webcam that is not held out for the test is for validation: the loop's split ``train`` has both."""
    return split_of(_VALIDATION + webcam, SplitPolicy(test_share=policy().validation_share, seed=seed)) == "test"
