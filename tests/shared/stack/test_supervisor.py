"""The supervisor over real processes: order, restarts, and what happens when it is killed itself."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shared.stack.home import Home
from shared.stack.leftovers import MARK
from shared.stack.process import ChildProcess, Identity
from shared.stack.state import PartPhase, PartState, Phase, StackState, current, last
from shared.stack.supervised import pause_before
from tests.support.processes import ROOT
from tests.support.waiting import wait_until


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


class SmallStack:
    """Starts supervisors of ``small_stack.py`` on one folder."""

    def __init__(self, home: Home, logs: Path) -> None:
        self.home = home
        self.log = logs / "supervisor.log"
        self.started: list[ChildProcess] = []

    def start(self, behaviour: str = "ordinary") -> ChildProcess:
        env = {**os.environ, "TUNEYARD_HOME": str(self.home.folder)}
        argv = [sys.executable, "-m", "tests.shared.stack.small_stack", behaviour]
        supervisor = ChildProcess(argv, env=env, log=self.log, cwd=ROOT, death_signal=signal.SIGTERM)
        self.started.append(supervisor)
        return supervisor

    def running(self) -> StackState:
        def state_when_running() -> StackState | None:
            state = current(self.home)
            return state if state and state.phase is Phase.RUNNING else None

        return wait_until(state_when_running, timeout=30)

    def child_of(self, part: str) -> int:
        return int((self.home.folder / f"{part}.child").read_text())

    def processes(self) -> list[int]:
        """Return the ids of all processes that belong to this stack."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                # Redis writes its title over its environment, but works in its folder
                if process.environ().get(MARK) == str(self.home.folder) or process.cwd() == str(self.home.redis):
                    found.append(process.pid)
        return found


@pytest.fixture
def stack(home: Home, tmp_path: Path) -> Iterator[SmallStack]:
    stack = SmallStack(home, tmp_path)
    yield stack
    for supervisor in stack.started:
        supervisor.stop(20)
    assert stack.processes() == []


def pid_of(state: StackState, part: str) -> int:
    process = state.parts[part].process
    assert process is not None
    return process.pid


def test_a_stop_ends_everything_in_order_and_leaves_nothing(stack: SmallStack) -> None:
    supervisor = stack.start()
    stack.running()
    assert len(stack.processes()) == 5  # Redis, two parts, and a child of each
    supervisor.send(signal.SIGTERM)
    assert supervisor.wait(20) == 0
    assert stack.processes() == []
    assert (stack.home.folder / "stopped").read_text().split() == ["second", "first"]
    assert last(stack.home) is None


def test_ctrl_c_stops_too(stack: SmallStack) -> None:
    supervisor = stack.start()
    stack.running()
    supervisor.send(signal.SIGINT)
    assert supervisor.wait(20) == 0


@pytest.mark.parametrize("part", ["redis", "first"])
def test_a_part_that_dies_is_started_again(stack: SmallStack, part: str) -> None:
    stack.start()
    before = stack.running()
    child = Identity(pid=stack.child_of("first"), started=psutil.Process(stack.child_of("first")).create_time())
    os.kill(pid_of(before, part), signal.SIGKILL)

    def restarted() -> bool:
        state = current(stack.home)
        return bool(state and state.parts[part].restarts == 1 and state.parts[part].phase is PartPhase.READY)

    wait_until(restarted, timeout=20)
    after = stack.running()
    assert pid_of(after, part) != pid_of(before, part)
    assert after.parts[part].last_exit == -signal.SIGKILL
    assert pid_of(after, "second") == pid_of(before, "second")
    assert child.is_running() == (part == "redis")  # its successor does not meet what it had started


def test_after_kill_9_of_the_supervisor_the_next_start_finds_a_clean_house(stack: SmallStack) -> None:
    supervisor = stack.start()
    before = stack.running()
    children = [stack.child_of("first"), stack.child_of("second")]
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait(10)
    identities = [part.process for part in before.parts.values() if part.process]
    wait_until(lambda: not any(identity.is_running() for identity in identities))  # the kernel's work
    assert sorted(stack.processes()) == sorted(children)  # what is left for the next start
    assert last(stack.home) is not None
    assert current(stack.home) is None

    stack.start()
    after = stack.running()
    assert {pid_of(after, name) for name in after.parts}.isdisjoint(identity.pid for identity in identities)
    assert len(stack.processes()) == 5
    assert set(children).isdisjoint(stack.processes())


def test_a_second_supervisor_is_refused_and_does_no_harm(stack: SmallStack) -> None:
    stack.start()
    before = stack.running()
    second = stack.start()
    assert second.wait(20) == 1
    assert "already runs" in stack.log.read_text()
    assert stack.running() == before


def test_a_part_that_never_starts_ends_the_start_with_its_own_words(stack: SmallStack) -> None:
    supervisor = stack.start("broken")
    assert supervisor.wait(30) == 1
    state = last(stack.home)
    assert state is not None
    assert state.phase is Phase.FAILED
    assert state.reason.startswith("second does not start (exit code 1)")
    assert "the part is broken" in state.reason
    assert stack.processes() == []


def test_a_deaf_part_is_killed_when_its_time_is_up(stack: SmallStack) -> None:
    supervisor = stack.start("deaf")
    stack.running()
    assert supervisor.stop(20) == 0
    assert stack.processes() == []


def test_an_unreadable_state_file_does_not_block_a_start(stack: SmallStack) -> None:
    stack.home.prepare()
    stack.home.lock.touch()
    stack.home.state.write_text("{ this is no")
    stack.start()
    stack.running()


def test_a_stale_state_file_never_ends_a_strangers_process(stack: SmallStack, tmp_path: Path) -> None:
    """The recorded process ids were given to another program after a reboot."""
    stack.home.prepare()
    stranger = ChildProcess(
        [sys.executable, "-c", "import signal; signal.pause()"], env={}, log=tmp_path / "stranger.log"
    )
    recorded = Identity(pid=stranger.pid, started=stranger.identity.started - 100)
    part = PartState(phase=PartPhase.READY, since="2026-01-01T00:00:00Z", process=recorded)
    state = StackState(phase=Phase.RUNNING, supervisor=recorded, url="", flower_url="", parts={"first": part})
    stack.home.state.write_text(json.dumps(state.model_dump(mode="json")))
    stack.start()
    stack.running()
    assert stranger.is_running
    stranger.kill()


def test_pauses_between_restarts_grow_to_a_limit() -> None:
    assert [pause_before(n) for n in (1, 2, 3, 7, 100)] == [0.5, 1, 2, 30, 30]
