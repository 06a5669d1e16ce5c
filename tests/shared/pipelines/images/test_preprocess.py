"""The one preprocessing: shapes, figures, and that it says by its fingerprint when it is another."""

import numpy as np
import pytest

from shared.pipelines.images.decoding import clean
from shared.pipelines.images.preprocess import Preprocessing, cached, fingerprint, preprocess, scale_and_shift, to_input
from tests.shared.pipelines.images import hostile

HOW = Preprocessing(cache_side=64, input_side=48)


def test_what_is_cached_gives_the_very_input_that_the_file_gives() -> None:
    files = [clean(hostile.jpeg(320, 180, seed=n)).data for n in range(3)]
    kept = np.stack([cached(data, HOW.cache_side) for data in files])
    assert kept.dtype == np.uint8
    assert np.array_equal(preprocess(files, HOW), to_input(kept, HOW))
    assert preprocess(files, HOW).shape == (3, 3, 48, 48)


def test_an_upload_and_what_is_kept_of_it_give_the_same_input() -> None:
    for data in (hostile.jpeg(200, 100), hostile.saved(hostile.noise(), "PNG"), hostile.polyglot()):
        assert np.array_equal(preprocess([data], HOW), preprocess([clean(data).data], HOW))


def test_figures_are_those_of_the_formula() -> None:
    grey = np.full((1, 64, 64, 3), 100, dtype=np.uint8)
    expected = (100 / 255 - np.asarray(HOW.mean)) / np.asarray(HOW.std)
    assert np.allclose(to_input(grey, HOW)[0, :, 0, 0], expected, atol=1e-6)
    scale, shift = scale_and_shift(HOW)
    assert np.array_equal(grey[0, 0, 0].astype(np.float32) * scale + shift, to_input(grey, HOW)[0, :, 0, 0])


def test_the_middle_is_taken() -> None:
    pixels = np.zeros((1, 64, 64, 3), dtype=np.uint8)
    pixels[0, 8:56, 8:56] = 255
    assert len(np.unique(to_input(pixels, HOW)[0, 0])) == 1


@pytest.mark.parametrize("shape", [(1, 32, 32, 3), (1, 64, 64, 1)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        to_input(np.zeros(shape, dtype=np.uint8), HOW)


def test_the_fingerprint_tells_parameters_apart() -> None:
    assert fingerprint(HOW) == fingerprint(HOW.model_copy())
    assert fingerprint(HOW) != fingerprint(HOW.model_copy(update={"input_side": 32}))
