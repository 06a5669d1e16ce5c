"""Where the servers of tests keep their data: in memory, where the machine has a file system for that.

Each test has a database of its own, which is a copy of some thousand files. On a disk that takes up to ten times as
long, and ever longer the more others write to it.
"""

import fcntl
import shutil
import tempfile
from io import TextIOWrapper
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")  # noqa: S108  (only folders with names of their own are made in it)
_ROOM: Final = 2 << 30
_PREFIX: Final = "tuneyard-tests-"
_LOCK: Final = ".in-use"

_locks: dict[Path, TextIOWrapper] = {}


def new_folder() -> Path:
    """Make an empty folder; whoever asked for it removes it, or else the next run does."""
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM
    place = _MEMORY if roomy else Path(tempfile.gettempdir())
    _remove_left_behind(place)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    lock = (folder / "new").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "new").rename(folder / _LOCK)  # who sees it finds it locked
    _locks[folder] = lock
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder and all that is in it."""
    shutil.rmtree(folder)
    _locks.pop(folder).close()


def _remove_left_behind(place: Path) -> None:
    """Remove what killed runs have left: memory is dear."""
    for path in place.glob(f"{_PREFIX}*/{_LOCK}"):
        try:
            with path.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.parent, ignore_errors=True)
        except OSError:  # in use, or another account's, or gone
            continue
