"""The stack that the demo runs on: the one that is up, or one of its own that it stops at the end."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from api.commands.errors import CommandError
from api.commands.place import Place, local_place
from shared.settings import get_settings
from shared.stack.control import home_of
from shared.stack.home import Home
from shared.stack.process import ChildProcess
from shared.stack.state import PartPhase, Phase, StackState, current, last

_START_SECONDS = 180  # the very first start makes a database; a busy machine takes its time
_STOP_SECONDS = 90
_POLL_SECONDS = 0.1
_UP = {PartPhase.READY, PartPhase.DONE}


@contextmanager
def local_stack(console: Console) -> Iterator[Place]:
    """Yield where a stack is that is wholly up. One that ran before is left running.

    Raises ``CommandError`` with the reason when it does not start.
    """
    home = home_of(get_settings())
    _prepare(home)
    if current(home):
        yield _wait_until_up(home, None, console)
        return
    # Should the demo be killed, the kernel sends the supervisor the signal on which it stops everything in order
    supervisor = ChildProcess(
        [sys.executable, "-m", "shared.stack"],
        env={**os.environ, "TUNEYARD_HOME": str(home.folder)},
        log=home.log("supervisor"),
        death_signal=signal.SIGTERM,
    )
    try:
        yield _wait_until_up(home, supervisor, console)
    finally:
        supervisor.stop(_STOP_SECONDS)


def _prepare(home: Home) -> None:
    try:
        home.prepare()
    except OSError as error:
        why = f"cannot keep the stack's data in {home.folder}: {error.strerror}"
        raise CommandError(why, advice="set TUNEYARD_HOME to a folder that can be written") from error


def _wait_until_up(home: Home, supervisor: ChildProcess | None, console: Console) -> Place:
    deadline = time.monotonic() + _START_SECONDS
    with console.status("starting") as shown:
        while time.monotonic() < deadline:
            ended = supervisor is not None and not supervisor.is_running
            state = current(home)
            place = local_place(home)
            if state and place and state.phase is Phase.RUNNING:
                return place
            if state:
                shown.update(_summary(state))
            if ended:
                raise CommandError("the stack does not start", advice=_why(home))
            time.sleep(_POLL_SECONDS)
    raise CommandError("the stack is not up in time", advice="tuneyard status shows every part")


def _summary(state: StackState) -> str:
    up = sum(part.phase in _UP for part in state.parts.values())
    names = ", ".join(name for name, part in state.parts.items() if part.phase is PartPhase.STARTING)
    return f"{up} of {len(state.parts)} parts are up; starting: {names}"


def _why(home: Home) -> str:
    state = last(home)
    return state.reason if state and state.reason else f"see {home.log('supervisor')}"
