"""Files of models on the local disk: fetched once from the artifact store, shared by the processes of a host."""

import os
import shutil
import time
import uuid
from pathlib import Path
from typing import Final

from shared.artifacts import ArtifactStore

_KEPT: Final = 8  # the active models and enough before them for a rollback without a download
_PART: Final = ".part-"
_ABANDONED_AFTER_S: Final = 3600.0  # a download of this age belongs to a process that died


class ModelFiles:
    """A folder with one subfolder for each model artifact, named by the SHA-256 of its manifest."""

    def __init__(self, store: ArtifactStore, folder: Path) -> None:
        self._store = store
        self._folder = folder

    def get(self, manifest: str) -> Path:
        """Return the folder of an artifact; download it first if need be.

        Raises NotFoundError, CorruptError or UnavailableError, as the store does.
        """
        folder = self._folder / manifest
        if not folder.exists():
            self._download(manifest, folder)
            self._prune()
        os.utime(folder)  # used just now: pruned last
        return folder

    def forget(self, manifest: str) -> None:
        """Delete an artifact's files: the next ``get`` downloads and verifies them anew."""
        shutil.rmtree(self._folder / manifest, ignore_errors=True)

    def _download(self, manifest: str, folder: Path) -> None:
        part = self._folder / f"{_PART}{uuid.uuid4().hex}"
        part.mkdir(parents=True)
        try:
            self._store.fetch(manifest, part)
            part.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was faster: its files are the same
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _prune(self) -> None:
        folders = list(self._folder.iterdir())
        models = sorted((f for f in folders if _PART not in f.name), key=_age)
        abandoned = [f for f in folders if _PART in f.name and _age(f) > _ABANDONED_AFTER_S]
        for folder in (*models[_KEPT:], *abandoned):
            shutil.rmtree(folder, ignore_errors=True)


def _age(folder: Path) -> float:
    """Return the seconds since the folder was last used; infinite when another process has deleted it."""
    try:
        return time.time() - folder.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
