"""Waiting in tests: for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], T | None], timeout: float = 10, message: str = "") -> T:
    """Return the condition's first true value. Raises AssertionError when there is none within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(message or f"not within {timeout} s: {condition!r}")
        time.sleep(_POLL_SECONDS)
    return value
