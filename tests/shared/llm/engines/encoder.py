"""The encoder for tests: exported once for each test process, and kept where all of a checkout's tests find it."""

from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from shared.artifact_stores import LocalStore
from shared.llm.engines import minilm


@lru_cache(maxsize=1)
def encoder() -> minilm.Encoder:
    """Return the encoder."""
    folder = Path(mkdtemp(prefix="tuneyard-encoder-"))
    return minilm.load(minilm.artifact(LocalStore(folder / "store"), folder / "home"))
