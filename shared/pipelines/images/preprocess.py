"""From a picture's file to what a network takes: the one way, for the training cache, evaluation, parity and serving.

``cached`` is the slow half (decode, resize) and gives bytes that can be kept; ``to_input`` the fast one. What a model
was trained with is in its ``model.meta.json`` as ``fingerprint``: parameters, and the source of this and what it calls.
"""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from shared.contracts import Contract
from shared.ids import canonical_json
from shared.pipelines.images.decoding import Pixels, decode

_SOURCES: Final = ("preprocess.py", "decoding.py", "jpeg_file.py")

Floats = NDArray[np.float32]

Colours = tuple[float, float, float]


class Preprocessing(Contract):
    """How pictures are made alike. The whole frame is used: it is squeezed to a square, not cut to one.

    ``cache_side`` is the side of the square that is kept, ``input_side`` that of the network's input (cut out of its
    middle; augmentation may cut elsewhere). ``mean`` and ``std`` are of red, green and blue, as shares of 255.
    """

    cache_side: int = Field(ge=16, le=1024)
    input_side: int = Field(ge=16, le=1024)
    mean: Colours = (0.485, 0.456, 0.406)  # of ImageNet, which torchvision's weights were trained with
    std: Colours = (0.229, 0.224, 0.225)


def cached(data: bytes, side: int) -> Pixels:
    """Decode a picture's file and squeeze it to [side, side, 3], RGB. Raises InvalidInputError for a bad file."""
    pixels = decode(data, side)
    if pixels.shape == (side, side, 3):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR))


def to_input(pixels: Pixels, how: Preprocessing) -> Floats:
    """Turn cached pictures [n, cache_side, cache_side, 3] into a network's input [n, 3, input_side, input_side].

    Raises ValueError when they are of another side than ``how`` says, or smaller than the input.
    """
    if pixels.shape[1:] != (how.cache_side, how.cache_side, 3) or how.input_side > how.cache_side:
        raise ValueError(f"pictures of shape {pixels.shape} do not fit a cache of {how.cache_side} pixels")
    first = (how.cache_side - how.input_side) // 2
    middle = pixels[:, first : first + how.input_side, first : first + how.input_side]
    return np.ascontiguousarray(normalised(middle, how).transpose(0, 3, 1, 2))


def normalised(pixels: NDArray[np.uint8], how: Preprocessing) -> Floats:
    """Return (x / 255 - mean) / std of pictures [..., 3], as one multiplication and one addition in float32."""
    scale, shift = scale_and_shift(how)
    return pixels.astype(np.float32) * scale + shift


def scale_and_shift(how: Preprocessing) -> tuple[Floats, Floats]:
    """Return the float32 [3] factors and summands of ``normalised``, for whoever computes it elsewhere (a GPU)."""
    std = np.asarray(how.std, dtype=np.float64)
    scale = 1.0 / (255.0 * std)
    return scale.astype(np.float32), (-np.asarray(how.mean, dtype=np.float64) / std).astype(np.float32)


def preprocess(pictures: Sequence[bytes], how: Preprocessing) -> Floats:
    """Turn the files of pictures into a network's input, [n, 3, input_side, input_side]. Raises InvalidInputError."""
    return to_input(np.stack([cached(data, how.cache_side) for data in pictures]), how)


def fingerprint(how: Preprocessing) -> str:
    """Return the hash of the parameters and of the source code: equal means that the same bytes give the same input."""
    digest = hashlib.sha256(canonical_json(how.model_dump(mode="json")))
    for name in _SOURCES:
        digest.update(files(__package__).joinpath(name).read_bytes())
    return digest.hexdigest()
