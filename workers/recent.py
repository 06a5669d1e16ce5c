"""A set that remembers what was put into it last."""

from collections import deque
from collections.abc import Iterable


class Recent:
    """Holds the ``size`` latest strings."""

    def __init__(self, size: int) -> None:
        self._order: deque[str] = deque()
        self._known: set[str] = set()
        self._size = size

    def note(self, names: Iterable[str]) -> None:
        """Add names; the oldest are forgotten."""
        for name in names:
            self._order.append(name)
            self._known.add(name)
            if len(self._order) > self._size:
                self._known.discard(self._order.popleft())

    def __contains__(self, name: str) -> bool:
        return name in self._known
