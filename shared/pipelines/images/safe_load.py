"""Files of weights: reading such that may come from anybody (tensors and plain values, never code), and writing."""

import json
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from shared.errors import CorruptError, RefusedError, TooLargeError, UnavailableError

_MAX_BYTES: Final = 4 << 30
_MORE_THAN_WEIGHTS: Final = "UnpicklingError"  # what torch raises then; no pickle is imported here, not even its errors
_SAFETENSORS_HEAD: Final = 8  # bytes: the length of a header in JSON


def load_tensors(file: Path) -> dict[str, Any]:
    """Read a file of weights: torch's own format, as far as it holds no code, or safetensors.

    Raises RefusedError for a file with more than weights in it, CorruptError for one that cannot be read.
    """
    if file.stat().st_size > _MAX_BYTES:
        raise TooLargeError(f"the file of weights is over {_MAX_BYTES >> 30} GiB")
    if _is_safetensors(file):
        try:
            return load_file(file)
        except (SafetensorError, ValueError, OSError) as error:
            raise _unreadable() from error
    return _load_torch(file)


def save_tensors(values: dict[str, Any], file: Path) -> None:
    """Write tensors and plain values in torch's format. Raises UnavailableError when the disk is full."""
    try:
        torch.save(values, file)
    except (OSError, RuntimeError) as error:  # torch says it by either
        raise UnavailableError(
            "the weights cannot be written", advice="make room on the worker's disk, then try again"
        ) from error


def _load_torch(file: Path) -> dict[str, Any]:
    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile file may break the reader in any way
        if type(error).__name__ == _MORE_THAN_WEIGHTS or _is_bare(file):
            raise RefusedError(
                "the file holds more than weights: code, or objects that run some. It was not run",
                advice="save the weights alone (torch.save of a state_dict, or safetensors)",
            ) from error
        raise _unreadable() from error
    if not isinstance(loaded, dict):
        raise _unreadable()
    return loaded


def _unreadable() -> CorruptError:
    return CorruptError(
        "the file of weights cannot be read, or holds something else than weights",
        advice="give a best.pt of images.train, a state_dict that torch.save has written, or safetensors",
    )


def _is_bare(file: Path) -> bool:
    """Whether a file is the stream of instructions that torch.save packs into its own format, without that format."""
    with file.open("rb") as source:
        return source.read(1) == b"\x80"


def _is_safetensors(file: Path) -> bool:
    with file.open("rb") as source:
        length = int.from_bytes(source.read(_SAFETENSORS_HEAD), "little")
        if not 2 <= length <= file.stat().st_size - _SAFETENSORS_HEAD:  # noqa: PLR2004  (an empty object)
            return False
        if source.read(1) != b"{":
            return False
        source.seek(_SAFETENSORS_HEAD)
        try:
            return isinstance(json.loads(source.read(min(length, 100 << 20))), dict)
        except ValueError:
            return False
