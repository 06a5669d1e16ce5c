"""From cached squares to what a network learns from: moved, mirrored and lit a little differently each time.

All of a batch at once, on whatever device it is on; random numbers are drawn on the CPU from the batch's own generator,
so that neither threads nor devices change what is drawn.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from shared.pipelines.images.model_policy import Augmentation
from shared.pipelines.images.preprocess import Preprocessing, scale_and_shift


def plain(squares: Tensor, how: Preprocessing) -> Tensor:
    """Return the middle of uint8 squares [n, side, side, 3] as a network's input, as ``to_input`` does in NumPy."""
    first = (how.cache_side - how.input_side) // 2
    last = first + how.input_side
    return _normalised(squares[:, first:last, first:last], how)


def augmented(squares: Tensor, how: Preprocessing, by: Augmentation, seed: int) -> Tensor:
    """Return uint8 squares [n, side, side, 3] as a network's input, each changed at random. The same seed, the same."""
    if by == Augmentation(flip=False, degrees=0, zoom=0, shift=0, brightness=0, contrast=0, tint=0):
        return plain(squares, how)
    chance = torch.Generator().manual_seed(seed)
    pictures = _normalised(squares, how)
    count = len(pictures)
    size = [count, 3, how.input_side, how.input_side]
    moves = _moves(count, how.input_side / how.cache_side, by, chance).to(pictures.device)
    moved = grid_sample(
        pictures, affine_grid(moves, size, align_corners=False), padding_mode="reflection", align_corners=False
    )
    light = 1 + by.contrast * _spread(chance, count, 1, 1, 1)
    colour = by.brightness * _spread(chance, count, 1, 1, 1) + by.tint * _spread(chance, count, 3, 1, 1)
    lit = moved * light.to(moved.device) + colour.to(moved.device)
    return lit.contiguous(memory_format=torch.channels_last)


def _normalised(squares: Tensor, how: Preprocessing) -> Tensor:
    """Scale uint8 [n, h, w, 3] to float32 [n, 3, h, w], which lies in memory as before: channels last."""
    scale, shift = (torch.from_numpy(part).to(squares.device) for part in scale_and_shift(how))
    return (squares.float() * scale + shift).permute(0, 3, 1, 2)


def _moves(count: int, middle: float, by: Augmentation, chance: torch.Generator) -> Tensor:
    """Draw one affine map [2, 3] for each picture, from places of the input to places of the square."""
    angle = math.radians(by.degrees) * _spread(chance, count)
    zoom = middle * (1 + by.zoom * _spread(chance, count))
    shift = by.shift * _spread(chance, count, 2)
    side = torch.where(torch.rand(count, generator=chance) < 0.5, -1.0, 1.0) if by.flip else torch.ones(count)  # noqa: PLR2004
    rows = (zoom * angle.cos() * side, -zoom * angle.sin(), zoom * angle.sin() * side, zoom * angle.cos())
    turned = torch.stack(rows, dim=1).reshape(count, 2, 2)
    return torch.cat([turned, shift[:, :, None]], dim=2)


def _spread(chance: torch.Generator, *shape: int) -> Tensor:
    """Draw from -1 to 1, all equally likely."""
    return torch.rand(shape, generator=chance) * 2 - 1
