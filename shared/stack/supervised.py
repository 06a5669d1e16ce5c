"""One part under supervision: started, watched, restarted with growing pauses, stopped."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from shared.stack.parts import Part
from shared.stack.process import ChildProcess
from shared.stack.state import PartPhase, PartState

log = structlog.get_logger()

START_SECONDS: Final = 90.0
"""A part that is not ready by then is started again."""
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 30.0
_STEADY_SECONDS: Final = 60.0  # who ran this long has recovered: the next pause is short again

Clock = Callable[[], float]


def pause_before(restart: int) -> float:
    """Return how long to wait before the n-th restart in a row (from 1), in seconds."""
    return float(min(_FIRST_PAUSE_SECONDS * 2 ** (restart - 1), _LONGEST_PAUSE_SECONDS))


class Supervised:
    """A part and its process. Every call returns at once, but for ``stop`` and ``kill``."""

    def __init__(self, part: Part, log_file: Path, clock: Clock = time.monotonic) -> None:
        self.part = part
        self._log_file = log_file
        self._clock = clock
        self._process: ChildProcess | None = None
        self._phase = PartPhase.WAITING
        self._since = datetime.now(UTC)
        self._changed_at = clock()
        self._restarts = 0
        self._failures_in_a_row = 0
        self._last_exit: int | None = None

    @property
    def phase(self) -> PartPhase:
        """Where it stands."""
        return self._phase

    @property
    def is_up(self) -> bool:
        """Whether those that need it may start."""
        return self._phase in {PartPhase.READY, PartPhase.DONE}

    @property
    def failures_in_a_row(self) -> int:
        """How often it ended, or was not ready in time, since it last ran steadily."""
        return self._failures_in_a_row

    @property
    def process(self) -> ChildProcess | None:
        """Its process, if it has one."""
        return self._process

    def state(self) -> PartState:
        """Return what the state file says of it."""
        return PartState(
            phase=self._phase,
            since=self._since,
            process=self._process.identity if self._process else None,
            restarts=self._restarts,
            last_exit=self._last_exit,
        )

    def start(self) -> None:
        """Start its process; when the system refuses (no memory, a full disk), that counts as a failure of the part."""
        try:
            self._process = self._spawn()
        except OSError as error:
            log.warning("a part cannot be started", part=self.part.name, reason=error.strerror)
            self._failed()
        else:
            self._go_to(PartPhase.STARTING)

    def _spawn(self) -> ChildProcess:
        if self.part.marker:
            self.part.marker.unlink(missing_ok=True)
        return ChildProcess(
            self.part.argv,
            env=self.part.env,
            log=self._log_file,
            account=self.part.account,
            stop_signal=self.part.stop_signal,
            death_signal=self.part.death_signal,
        )

    def tick(self) -> None:
        """Look at the process, and do what is due: note its end, see that it is ready, start it again."""
        if self._process is not None:
            self._look_at(self._process)
        elif self._phase is PartPhase.BACKOFF and self._elapsed() >= pause_before(self._failures_in_a_row):
            self._restarts += 1
            self.start()

    def _look_at(self, process: ChildProcess) -> None:
        if (code := process.exit_code) is not None:
            self._ended(process, code)
        elif self._phase is PartPhase.STARTING:
            self._look_whether_ready(process)
        elif self._failures_in_a_row and self._elapsed() >= _STEADY_SECONDS:
            self._failures_in_a_row = 0

    def _ended(self, process: ChildProcess, code: int) -> None:
        process.kill()  # what it had started must not meet its successor
        self._process = None
        self._last_exit = code
        if self.part.once and code == 0:
            self._up(PartPhase.DONE)
        else:
            log.warning("a part ended", part=self.part.name, exit_code=code)
            self._failed()

    def _look_whether_ready(self, process: ChildProcess) -> None:
        if not self.part.once and self.part.is_ready():
            self._up(PartPhase.READY)
        elif self._elapsed() > START_SECONDS:
            log.warning("a part is not ready in time", part=self.part.name, seconds=START_SECONDS)
            process.kill()
            self._process = None
            self._failed()

    def _up(self, phase: PartPhase) -> None:
        if self.part.on_ready:
            self.part.on_ready()
        self._go_to(phase)

    def _failed(self) -> None:
        self._failures_in_a_row += 1
        self._go_to(PartPhase.BACKOFF)

    def ask_to_stop(self) -> None:
        """Ask its process to stop; it will not be started again."""
        if self._process:
            self._process.ask_to_stop()
        self._go_to(PartPhase.STOPPED)

    def has_stopped(self) -> bool:
        """Tell whether its process is gone; past its time to stop it is killed."""
        if self._process is None:
            return True
        if self._process.is_running and self._elapsed() < self.part.stop_seconds:
            return False
        self.kill()
        return True

    def kill(self) -> None:
        """End its process at once, with all that it started."""
        if self._process:
            self._process.kill()
            self._last_exit = self._process.exit_code
            self._process = None
        self._go_to(PartPhase.STOPPED)

    def last_lines(self, count: int = 15) -> str:
        """Return the end of its output."""
        lines = self._log_file.read_text(errors="replace").splitlines() if self._log_file.exists() else []
        return "\n".join(lines[-count:])

    def _elapsed(self) -> float:
        return self._clock() - self._changed_at

    def _go_to(self, phase: PartPhase) -> None:
        if phase is not self._phase:
            self._phase = phase
            self._since = datetime.now(UTC)
            self._changed_at = self._clock()
