"""The cache of decoded pictures: each is decoded once, whoever dies in between."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.artifact_stores import LocalStore
from shared.artifacts import FileRef
from shared.errors import UnavailableError
from shared.pipelines.images.cache import Squares, squares
from shared.pipelines.images.preprocess import cached

SIDE = 24


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def picture(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), (shade, 255 - shade, 7)).save(out, "PNG")
    return out.getvalue()


def put(store: LocalStore, *shades: int) -> list[FileRef]:
    return [store.put(picture(shade)) for shade in shades]


class Counting:
    """A store that counts what is read from it."""

    def __init__(self, store: LocalStore) -> None:
        self.opened = 0
        self._store = store

    def __getattr__(self, name: str) -> object:
        if name == "open":
            self.opened += 1
        return getattr(self._store, name)


def fill(folder: Path, refs: list[FileRef], store: object, most: int = 10**9) -> Squares:
    return squares(folder, refs, store, side=SIDE, most_bytes=most, threads=2, told=lambda *_: None)  # type: ignore[arg-type]


def test_a_picture_is_decoded_once_and_is_what_the_preprocessing_gives(tmp_path: Path, store: LocalStore) -> None:
    refs = put(store, 1, 2, 3)
    counting = Counting(store)
    first = fill(tmp_path / "cache", refs[:2], counting)
    found = fill(tmp_path / "cache", refs, counting)
    assert counting.opened == 3
    for shade, ref in zip((1, 2, 3), refs, strict=True):
        assert (found.pixels[found.places[ref.sha256]] == cached(picture(shade), SIDE)).all()
    assert (first.pixels[first.places[refs[0].sha256]] == cached(picture(1), SIDE)).all()
    assert isinstance(found.pixels, np.memmap)


@pytest.mark.parametrize("torn", ["pixels", "keys", "half-key"])
def test_what_a_killed_process_left_is_made_good(tmp_path: Path, store: LocalStore, torn: str) -> None:
    folder = tmp_path / "cache"
    refs = put(store, 1, 2, 3)
    fill(folder, refs[:2], store)
    if torn == "pixels":  # written, but not yet named
        with (folder / "pixels").open("ab") as file:
            file.write(b"\x07" * 100)
    elif torn == "keys":  # named, but lost with the machine
        with (folder / "pixels").open("r+b") as file:
            file.truncate(SIDE * SIDE * 3 + 5)
    else:
        with (folder / "keys").open("ab") as file:
            file.write(b"\x07" * 9)
    found = fill(folder, refs, store)
    for shade, ref in zip((1, 2, 3), refs, strict=True):
        assert (found.pixels[found.places[ref.sha256]] == cached(picture(shade), SIDE)).all()


def test_a_cache_that_grew_too_large_begins_anew(tmp_path: Path, store: LocalStore) -> None:
    folder = tmp_path / "cache"
    refs = put(store, 1, 2, 3)
    before = fill(folder, refs[:2], store)
    after = fill(folder, refs[2:], store, most=2 * SIDE * SIDE * 3)
    assert len(after.pixels) == 1
    assert (before.pixels[before.places[refs[0].sha256]] == cached(picture(1), SIDE)).all(), "who reads it keeps it"


def test_a_disk_that_cannot_be_written_is_said(tmp_path: Path, store: LocalStore) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "pixels").symlink_to("/dev/full")
    with pytest.raises(UnavailableError, match="cannot be written"):
        fill(tmp_path / "cache", put(store, 1), store)
