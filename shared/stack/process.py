"""One child process: started in a session of its own, logged to a file, stopped with all that it started."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from shared.contracts import Contract
from shared.errors import UnavailableError

_LAUNCHER = Path(__file__).with_name("launch.py")
_POLL_SECONDS = 0.02


class Identity(Contract):
    """Names one process for good: a process id alone may be given to another program later."""

    pid: int
    started: float
    """When the process was created, in seconds since 1970, as the kernel counts them."""

    def is_running(self) -> bool:
        """Tell whether this very process still runs (a zombie does not)."""
        try:
            process = psutil.Process(self.pid)
            return bool(process.create_time() == self.started and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def terminate(self) -> None:
        """Ask this very process to stop; nothing happens when it has ended."""
        if self.is_running():
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(self.pid).terminate()


class ChildProcess:
    """A running program. It dies with the process (more exactly: the thread) that started it."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        cwd: Path | None = None,
        account: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start the program, with its output appended to the log. Raises OSError when that cannot be done."""
        self.log = log
        self.stop_signal = stop_signal
        launch = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), str(int(death_signal))]
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [*launch, account or "-", *argv],
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.identity = Identity(pid=self.pid, started=psutil.Process(self.pid).create_time())

    @property
    def pid(self) -> int:
        """The process id, which is its session's id too."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended (negative: by that signal), or None while it runs."""
        return self._popen.poll()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.exit_code is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program alone; nothing happens when it has ended."""
        self._popen.send_signal(number)

    def send_to_all(self, number: signal.Signals) -> None:
        """Send a signal to every process of its group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def ask_to_stop(self) -> None:
        """Ask the program to stop in its own way."""
        self.send(self.stop_signal)

    def wait(self, seconds: float) -> int | None:
        """Wait for the end; return the exit code, or None when it still runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._popen.wait(seconds)
        return None

    def kill(self) -> None:
        """End it at once, with everything that it started, and collect it."""
        self.send_to_all(signal.SIGKILL)
        self._popen.wait()
        end_session(self.pid)

    def stop(self, grace_seconds: float = 10) -> int:
        """Ask it to stop, and kill what is left of it after the grace; return the exit code."""
        self.ask_to_stop()
        self.wait(grace_seconds)
        self.kill()
        return self._popen.returncode


def session_members(leader: int) -> list[psutil.Process]:
    """Return the processes of a session that still run."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members


def end_session(leader: int) -> None:
    """Kill every process of a session and wait until they are gone. Raises UnavailableError when some stay."""
    kill_all(lambda: session_members(leader))


def kill_all(find: Callable[[], list[psutil.Process]], seconds: float = 10) -> None:
    """Kill what ``find`` finds until it finds nothing. Raises UnavailableError when the time is up before."""
    deadline = time.monotonic() + seconds
    while processes := find():
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if time.monotonic() > deadline:
            raise UnavailableError(f"cannot end the processes {[p.pid for p in processes]}")
        time.sleep(_POLL_SECONDS)
