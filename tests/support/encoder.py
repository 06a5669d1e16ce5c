"""The sentence encoder for tests: loaded once for each test process, from files that lie in a folder of its own."""

import atexit
import shutil
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from shared.artifact_stores import LocalStore
from shared.llm.engines import minilm


@lru_cache(maxsize=1)
def encoder() -> minilm.Encoder:
    """Return the encoder."""
    folder = Path(mkdtemp(prefix="tuneyard-encoder-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return minilm.load(minilm.artifact(LocalStore(folder / "store"), folder / "home"))
