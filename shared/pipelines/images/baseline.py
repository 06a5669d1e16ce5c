"""The scorer without a model: colour, contrast, sharpness and warmth of a picture, weighed as ``policy.toml`` says.

It is what a model must beat, and what answers where there is none. It learns nothing, and the same bytes always get the
same score. The figures:

- ``colour``: colourfulness, Hasler and Süsstrunk, "Measuring colourfulness in natural images" (2003), formula 3.
- ``contrast``: the standard deviation of the luma (ITU-R BT.601).
- ``sharpness``: the variance of the luma's Laplacian (four neighbours), Pech-Pacheco et al. (2000).
- ``warmth``: by how much red exceeds blue on average; never below 0.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.pipelines.images.policy import Figures, policy
from shared.pipelines.images.preprocess import cached

_LUMA: Final = np.asarray([0.299, 0.587, 0.114], dtype=np.float32)
_MEAN_WEIGHT: Final = 0.3  # of the mean's distance from grey, in formula 3


def baseline_scores(pictures: Sequence[bytes]) -> list[float]:
    """Return the raw score (0 to 1) of each picture's file. Raises InvalidInputError for a bad one."""
    side = policy().baseline.side
    return [raw_score(figures(cached(data, side))) for data in pictures]


def figures(pixels: NDArray[np.uint8]) -> Figures:
    """Measure a picture, [height, width, 3], RGB."""
    rgb = pixels.astype(np.float32)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    across, along = red - green, (red + green) / 2 - blue
    spread, off = np.hypot(across.std(), along.std()), np.hypot(across.mean(), along.mean())
    luma = rgb @ _LUMA
    middle = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * middle
    return Figures(
        colour=float(spread + _MEAN_WEIGHT * off),
        contrast=float(luma.std()),
        sharpness=float(laplacian.var()),
        warmth=max(float((red - blue).mean()), 0.0),
    )


def raw_score(seen: Figures) -> float:
    """Weigh the figures: each over its reference, 1 at most."""
    how = policy().baseline
    weights, reference = vars(how.weights), vars(how.reference)
    total = sum(weights[name] * min(value / reference[name], 1.0) for name, value in vars(seen).items())
    return float(min(total, 1.0))
