"""The artifact store of this process, and its folder for what can be made again.

For what is called without a ``Run``: models and fallbacks whose inputs name files in place of holding them.
"""

from functools import lru_cache
from pathlib import Path

from shared.artifact_stores import open_store
from shared.artifacts import ArtifactStore
from shared.settings import get_settings


def artifacts() -> ArtifactStore:
    """Return the store that ``ARTIFACTS_URL`` names."""
    return _opened(get_settings().artifacts())


@lru_cache(maxsize=4)
def _opened(url: str) -> ArtifactStore:
    return open_store(url, get_settings())


def cache_folder(name: str) -> Path:
    """Return a folder on this machine's disk that outlives jobs; whoever deletes it costs time, and nothing else."""
    folder = get_settings().tuneyard_home.resolve() / "cache" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
