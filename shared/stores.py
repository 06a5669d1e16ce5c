"""The artifact store of this process.

For what is called without a ``Run``: models and fallbacks whose inputs name files in place of holding them.
"""

from functools import lru_cache

from shared.artifact_stores import open_store
from shared.artifacts import ArtifactStore
from shared.settings import get_settings


def artifacts() -> ArtifactStore:
    """Return the store that ``ARTIFACTS_URL`` names."""
    return _opened(get_settings().artifacts())


@lru_cache(maxsize=4)
def _opened(url: str) -> ArtifactStore:
    return open_store(url, get_settings())
