"""The stack that the demo runs on: the one that is up, or one of its own that it stops at the end."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from api.commands.errors import CommandError
from api.commands.place import Place, local_place
from shared.settings import get_settings
from shared.stack.process import ChildProcess

_START_SECONDS = 120  # the very first start makes a database; a busy machine takes its time
_STOP_SECONDS = 60
_POLL_SECONDS = 0.2
_LOG_LINES = 15


@contextmanager
def local_stack() -> Iterator[Place]:
    """Yield where a ready stack is. One that was already up is left as it was.

    Raises ``CommandError`` with the end of the log when the stack does not start.
    """
    home = get_settings().tuneyard_home.resolve()
    running = local_place(home)
    if running and _is_ready(running):
        yield running
        return
    home.mkdir(parents=True, exist_ok=True)
    log = home / "demo.log"
    # if the demo is killed, the kernel sends the supervisor the signal on which it stops everything in order
    supervisor = ChildProcess(
        [sys.executable, "-m", "api.cli", "up"], env=os.environ, log=log, death_signal=signal.SIGTERM
    )
    try:
        yield _wait_until_ready(supervisor, home, log)
    finally:
        supervisor.stop(_STOP_SECONDS)


def _wait_until_ready(supervisor: ChildProcess, home: Path, log: Path) -> Place:
    deadline = time.monotonic() + _START_SECONDS
    while supervisor.is_running and time.monotonic() < deadline:
        place = local_place(home)
        if place and _is_ready(place):
            return place
        time.sleep(_POLL_SECONDS)
    why = "is not ready in time" if supervisor.is_running else f"ended with exit code {supervisor.exit_code}"
    end = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
    raise CommandError(f"the stack {why}", advice=f"the end of {log}:\n{end}")


def _is_ready(place: Place) -> bool:
    try:
        return httpx.get(f"{place.url}/readyz", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False
