"""What waits and what is under way between the front and the inference workers: calls, their batches, their lines."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.errors import TuneyardError
from workers.addressees import Addressee


@dataclass(slots=True)
class Call:
    """One input that somebody waits for an answer to."""

    value: Any  # parsed: what the fallback needs
    raw: Any  # JSON: what travels
    answer: asyncio.Future[Any]
    deadline: float


@dataclass(slots=True)
class Batch:
    """Calls that travel together, until their answers are there or the deadline is over."""

    id: str
    line: "Line"
    calls: Sequence[Call]
    deadline: float
    payload: bytes
    message: str = ""  # what Celery gets, once it was sent
    timers: list[asyncio.TimerHandle] = field(default_factory=list)
    answered: asyncio.Future[bool] | None = None  # of a probe: whether the way is free


@dataclass(slots=True)
class Line:
    """The calls of one surface: those that wait, how many batches are out, and whether the way is down."""

    addressee: Addressee[Any]
    surface: str
    timeout_s: float
    waiting: deque[Call] = field(default_factory=deque)
    out: int = 0
    flush: asyncio.Handle | None = None
    down: bool = False


def close_down(line: Line) -> None:
    """Answer whoever waits on a line with the fallback, and everybody after them."""
    line.down = True
    fall_back(line, line.waiting)
    line.waiting.clear()


def fall_back(line: Line, calls: Iterable[Call]) -> None:
    """Answer calls with the fallback."""
    for call in calls:
        if not call.answer.done():
            settle(call, line.addressee.fallback, call.value)


def settle(call: Call, answer: Callable[[Any], Any], source: Any) -> None:
    """Give a call its answer, or the error that answering it ended with."""
    try:
        call.answer.set_result(answer(source))
    except TuneyardError as error:
        call.answer.set_exception(error)
