"""What a supervisor tells the world about its stack: ``run/stack.json``, written at every change."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from shared.contracts import Contract
from shared.errors import CorruptError
from shared.stack.home import Home, read
from shared.stack.process import Identity


class Phase(StrEnum):
    """Where the stack as a whole stands."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"


class PartPhase(StrEnum):
    """Where one part stands. ``done`` is the good end of a part that runs once."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    BACKOFF = "backoff"
    STOPPED = "stopped"


class PartState(Contract):
    """One part: its process, if it has one, since when it is in this phase, and how often it was restarted."""

    phase: PartPhase
    since: datetime
    process: Identity | None = None
    restarts: int = 0
    last_exit: int | None = None


class StackState(Contract):
    """The whole stack."""

    phase: Phase
    supervisor: Identity
    url: str
    flower_url: str
    exports: dict[str, str] = Field(default_factory=dict, repr=False)
    """Environment variables with which other programs reach the stack; secrets among them, so the file is private."""
    reason: str = ""
    """Why it failed."""
    key_is_new: bool = False
    """Whether this start made the first API key, which is shown once."""
    parts: dict[str, PartState] = Field(default_factory=dict)


def current(home: Home) -> StackState | None:
    """Return the state of the stack whose supervisor runs now, or None when there is no such."""
    state = last(home)
    return state if state and state.supervisor.is_running() else None


def last(home: Home) -> StackState | None:
    """Return what the last supervisor wrote, whether it still runs or not.

    What cannot be read was written by another version or is half of a crash: it counts as nothing, and blocks nobody.
    """
    try:
        return read(StackState, home.state)
    except CorruptError:
        return None
