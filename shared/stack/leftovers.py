"""Cleaning up after a supervisor that was killed: nothing it started may live on, and no stale file may block a start.

The kernel kills a dead supervisor's children (``launch.py``). What those had started themselves may still run: it is
found by the session that it belongs to and a mark in its environment, never by its process id alone.
"""

import contextlib
from functools import partial
from pathlib import Path

import psutil

from shared.stack.home import Home
from shared.stack.process import Identity, kill_all, session_members
from shared.stack.state import last

MARK = "TUNEYARD_STACK"
"""Environment variable of every process of a stack: the folder that it belongs to."""


def clean_up(home: Home) -> None:
    """End what is left of a former run. Only for the holder of the lock.

    Raises UnavailableError when something cannot be killed.
    """
    for leader in _recorded(home):
        kill_all(partial(_leftovers, leader, home))
    home.state.unlink(missing_ok=True)
    free_data_folder(home.postgres)


def _recorded(home: Home) -> list[Identity]:
    state = last(home)
    return [part.process for part in state.parts.values() if part.process] if state else []


def _leftovers(leader: Identity, home: Home) -> list[psutil.Process]:
    found = []
    for process in session_members(leader.pid):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            is_leader = process.pid == leader.pid and process.create_time() == leader.started
            if is_leader or process.environ().get(MARK) == str(home.folder):
                found.append(process)
    return found


def free_data_folder(folder: Path) -> None:
    """End a server that still works in PostgreSQL's data folder, and remove its pid file.

    The pid in that file may by now be another program's, which would keep the next server from starting. A process of
    PostgreSQL always works in its data folder, so when there is none, the file is stale.
    """
    kill_all(lambda: _working_in(folder))
    (folder / "postmaster.pid").unlink(missing_ok=True)


def _working_in(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.name() == "postgres" and process.cwd() == str(folder.resolve()):
                found.append(process)
    return found
