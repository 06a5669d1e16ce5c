"""One part under supervision, on a clock of the test's own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.stack.parts import Part
from shared.stack.state import PartPhase
from shared.stack.supervised import START_SECONDS, Supervised
from tests.support.waiting import wait_until


class Clock:
    """Shows the time that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sleeper(tmp_path: Path, clock: Clock) -> Iterator[Supervised]:
    """A part that runs, and is ready when the file ``ready`` is there."""
    ready = tmp_path / "ready"
    argv = (sys.executable, "-c", "import signal; signal.pause()")
    part = Supervised(Part(name="sleeper", argv=argv, is_ready=ready.exists), tmp_path / "log", clock)
    yield part
    part.kill()


def once(tmp_path: Path, clock: Clock, code: int) -> Supervised:
    argv = (sys.executable, "-c", f"raise SystemExit({code})")
    return Supervised(Part(name="once", argv=argv, is_ready=bool, once=True), tmp_path / "log", clock)


def wait_for_phase(part: Supervised, phase: PartPhase) -> None:
    def reached() -> bool:
        part.tick()
        return part.phase is phase

    wait_until(reached)


def test_what_cannot_be_started_is_tried_again_after_a_pause(tmp_path: Path, clock: Clock) -> None:
    part = Supervised(
        Part(name="p", argv=("true",), is_ready=bool, once=True), tmp_path / "no-such-folder" / "log", clock
    )
    part.start()
    assert (part.phase, part.failures_in_a_row) == (PartPhase.BACKOFF, 1)
    part.tick()
    assert part.failures_in_a_row == 1  # too early
    clock.now = 0.5
    part.tick()
    assert part.failures_in_a_row == 2
    (tmp_path / "no-such-folder").mkdir()
    clock.now = 2
    part.tick()
    wait_for_phase(part, PartPhase.DONE)


def test_who_is_not_ready_in_time_is_started_again(sleeper: Supervised, clock: Clock) -> None:
    sleeper.start()
    sleeper.tick()
    assert sleeper.phase is PartPhase.STARTING
    clock.now = START_SECONDS + 1
    sleeper.tick()
    assert (sleeper.phase, sleeper.process) == (PartPhase.BACKOFF, None)


def test_who_ran_steadily_is_forgiven_its_failures(sleeper: Supervised, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "ready").touch()
    for _ in range(2):
        sleeper.start()
        wait_for_phase(sleeper, PartPhase.READY)
        assert sleeper.process
        sleeper.process.kill()
        wait_for_phase(sleeper, PartPhase.BACKOFF)
    assert sleeper.failures_in_a_row == 2
    sleeper.start()
    wait_for_phase(sleeper, PartPhase.READY)
    clock.now += 60
    sleeper.tick()
    assert sleeper.failures_in_a_row == 0


@pytest.mark.parametrize(("code", "phase"), [(0, PartPhase.DONE), (3, PartPhase.BACKOFF)])
def test_a_part_that_runs_once_is_done_when_it_ends_well(
    tmp_path: Path, clock: Clock, code: int, phase: PartPhase
) -> None:
    part = once(tmp_path, clock, code)
    part.start()
    wait_for_phase(part, phase)
    assert part.state().last_exit == code
