"""What one does to a stack from outside: start it in the background, stop it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

from shared.errors import UnavailableError
from shared.settings import Settings
from shared.stack.home import Home
from shared.stack.leftovers import clean_up
from shared.stack.process import Identity
from shared.stack.state import Phase, StackState, current, last
from shared.stack.supervisor import Observer, locked

_POLL_SECONDS: Final = 0.1
_START_SECONDS: Final = 180.0
_STOP_SECONDS: Final = 90.0
_LOG_CHARACTERS: Final = 2000


def home_of(settings: Settings) -> Home:
    """Return the folder of the stack that these settings mean."""
    return Home(settings.tuneyard_home.resolve())


def start_detached(settings: Settings, observe: Observer = lambda _: None) -> StackState:
    """Start the stack in the background and wait until all of it is ready; one that runs already is left as it is.

    Raises UnavailableError with the reason when it does not start.
    """
    home = home_of(settings)
    running = current(home)
    if running and running.phase is not Phase.STOPPING:
        state = _follow_start(home, lambda: None, observe)
        return state.model_copy(update={"key_is_new": False})  # whoever started it was shown the key
    home.prepare()
    with home.log("supervisor").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "shared.stack"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "TUNEYARD_HOME": str(home.folder)},
            start_new_session=True,
        )
    return _follow_start(home, process.poll, observe)


def _follow_start(home: Home, exit_code: Callable[[], int | None], observe: Observer) -> StackState:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        ended = exit_code() is not None
        state = current(home)
        if state:
            observe(state)
            if state.phase is Phase.RUNNING:
                return state
        if ended:
            raise UnavailableError("the stack does not start", advice=_why(home))
        time.sleep(_POLL_SECONDS)
    raise UnavailableError(f"the stack is not ready after {_START_SECONDS:.0f} s", advice="see tuneyard status")


def _why(home: Home) -> str:
    state = last(home)
    if state and state.phase is Phase.FAILED:
        return state.reason
    return home.log("supervisor").read_text(errors="replace")[-_LOG_CHARACTERS:].strip()


def stop(settings: Settings) -> bool:
    """Stop the stack in order and wait until nothing of it runs; tell whether one ran.

    What a killed supervisor left behind is cleaned up too. Raises UnavailableError when it does not stop.
    """
    home = home_of(settings)
    state = current(home)
    if state is None:
        if home.lock.exists():
            with locked(home):
                clean_up(home)
        return False
    _terminate(state.supervisor)
    return True


def _terminate(supervisor: Identity) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    supervisor.terminate()
    while supervisor.is_running():
        if time.monotonic() > deadline:
            raise UnavailableError(f"the supervisor (pid {supervisor.pid}) does not stop", advice="see its log")
        time.sleep(_POLL_SECONDS)
