"""The order of tests that several processes share: each begins with its part of the slow ones.

So no process is left alone with a minute of waiting at the end, while the others have nothing left to do.
"""

import os
from collections.abc import Iterator
from typing import Final

import pytest

MARK: Final = "slow"
MARK_LINE: Final = f"{MARK}(seconds): takes about so long on a quiet machine, and is started before shorter tests"


def dealt(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the tests in the order in which xdist's worksteal should find them; alone, they stay as they are.

    It cuts the list into equal pieces, one for each process, and later moves the end of a long piece to an idle one.
    """
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if count == 1:
        return items
    slow = sorted((item for item in items if _seconds(item)), key=_seconds, reverse=True)
    others = (item for item in items if not _seconds(item))
    return [item for which, size in enumerate(_sizes(len(items), count))
            for item in _piece(slow[which::count], others, size)]  # fmt: skip


def _sizes(length: int, count: int) -> Iterator[int]:
    for left in range(count, 0, -1):
        yield length // left
        length -= length // left


def _piece(slow: list[pytest.Item], others: Iterator[pytest.Item], size: int) -> list[pytest.Item]:
    return [*slow, *(item for _, item in zip(range(size - len(slow)), others, strict=False))]


def _seconds(item: pytest.Item) -> float:
    mark = item.get_closest_marker(MARK)
    return float(mark.args[0]) if mark else 0.0
