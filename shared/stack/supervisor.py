"""Runs a stack: starts its parts in order, restarts what dies, stops everything in order. One thread, one loop."""

import fcntl
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import psutil
import structlog

from shared.errors import ConflictError, TuneyardError, UnavailableError
from shared.settings import Settings
from shared.stack.home import Home, write
from shared.stack.leftovers import clean_up
from shared.stack.plan import Keys, Plan, make_plan
from shared.stack.process import Identity
from shared.stack.state import PartPhase, PartState, Phase, StackState
from shared.stack.supervised import Supervised

log = structlog.get_logger()

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIGNALS: Final = frozenset({*_STOP_SIGNALS, signal.SIGCHLD})
_TICK_SECONDS: Final = 0.1
_CALM_TICK_SECONDS: Final = 1.0  # SIGCHLD wakes the loop at once anyway
_TRIES_AT_START: Final = 4

Observer = Callable[[StackState], None]
Planner = Callable[[Settings, Home], tuple[Plan, Keys]]


def run_stack(settings: Settings, observe: Observer = lambda _: None, planner: Planner = make_plan) -> None:
    """Run the stack of ``settings.tuneyard_home`` until SIGINT or SIGTERM. Call it from the main thread.

    ``observe`` is told every change. Raises ConflictError when the stack runs already, UnavailableError when a part
    does not start; nothing is left running then.
    """
    home = Home(settings.tuneyard_home.resolve())
    home.prepare()
    with _signals_blocked(), locked(home):
        clean_up(home)
        plan, keys = planner(settings, home)
        Supervisor(home, plan, keys, observe).run()


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Hold the stack's lock. Raises ConflictError when a running supervisor holds it."""
    descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                f"a stack already runs in {home.folder}",
                advice="see it with tuneyard status, stop it with tuneyard down",
            ) from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Keep the signals for ``sigtimedwait``: no handler interrupts the loop, and none is lost."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Supervisor:
    """The loop over all parts."""

    def __init__(self, home: Home, plan: Plan, keys: Keys, observe: Observer) -> None:
        self._home = home
        self._plan = plan
        self._keys = keys
        self._observe = observe
        self._me = Identity(pid=os.getpid(), started=psutil.Process().create_time())
        self._parts = {part.name: Supervised(part, home.log(part.name)) for part in plan.parts}
        self._phase = Phase.STARTING
        self._reason = ""
        self._told: StackState | None = None

    def run(self) -> None:
        """Supervise until a stop signal comes. Raises UnavailableError when a part does not start."""
        try:
            self._supervise()
        except TuneyardError as error:
            self._phase, self._reason = Phase.FAILED, "\n".join(filter(None, [error.message, error.advice]))
            raise
        finally:
            self._stop()

    def _supervise(self) -> None:
        while True:
            self._start_what_may()
            for each in self._parts.values():
                each.tick()
            if self._phase is Phase.STARTING:
                self._look_whether_started()
            self._tell()
            calm = all(each.is_up for each in self._parts.values())
            arrived = signal.sigtimedwait(_SIGNALS, _CALM_TICK_SECONDS if calm else _TICK_SECONDS)
            if arrived and arrived.si_signo in _STOP_SIGNALS:
                return

    def _start_what_may(self) -> None:
        for each in self._parts.values():
            if each.phase is PartPhase.WAITING and all(self._parts[name].is_up for name in each.part.needs):
                each.start()

    def _look_whether_started(self) -> None:
        for name, each in self._parts.items():
            if each.failures_in_a_row >= _TRIES_AT_START:
                raise UnavailableError(
                    f"{name} does not start (exit code {each.state().last_exit})",
                    advice=f"the end of {self._home.log(name)}:\n{each.last_lines()}",
                )
        if all(each.is_up for each in self._parts.values()):
            self._phase = Phase.RUNNING

    def _stop(self) -> None:
        """Stop all parts, each before what it needs. A second stop signal kills what is left."""
        if self._phase is not Phase.FAILED:
            self._phase = Phase.STOPPING
        left = list(self._parts.values())
        hurry = False
        while left:
            for each in self._unneeded(left):
                if hurry:
                    each.kill()
                elif each.phase is not PartPhase.STOPPED:
                    each.ask_to_stop()
            left = [each for each in left if each.phase is not PartPhase.STOPPED or not each.has_stopped()]
            self._tell()
            arrived = signal.sigtimedwait(_SIGNALS, _TICK_SECONDS) if left else None
            hurry = hurry or bool(arrived and arrived.si_signo in _STOP_SIGNALS)
        if self._phase is not Phase.FAILED:
            self._home.state.unlink(missing_ok=True)

    @staticmethod
    def _unneeded(left: Sequence[Supervised]) -> list[Supervised]:
        needed = {name for each in left for name in each.part.needs}
        return [each for each in left if each.part.name not in needed]

    def _tell(self) -> None:
        state = StackState(
            phase=self._phase,
            supervisor=self._me,
            url=self._plan.url,
            flower_url=self._plan.flower_url,
            exports=dict(self._plan.exports),
            reason=self._reason,
            key_is_new=self._keys.made_new,
            parts=self._part_states(),
        )
        if state == self._told:
            return
        try:
            write(state, self._home.state)
        except OSError as error:  # a full disk must not end what still runs
            log.warning("the state cannot be written", reason=error.strerror)
        self._told = state
        self._observe(state)

    def _part_states(self) -> dict[str, PartState]:
        return {name: each.state() for name, each in self._parts.items()}
