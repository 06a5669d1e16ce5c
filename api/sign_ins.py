"""How often somebody may sign in with a wrong key: a few times at once, then again and again after a while.

Keys cannot be guessed, so this protects no key; it keeps whoever tries from costing a query each time, for as long as
they like. Each front counts for itself, in memory.
"""

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_OF_ONE: Final = 10.0  # wrong keys at once from one address …
_OF_ONE_PER_S: Final = 1 / 30  # … and so many more in each second
_OF_ALL: Final = 200.0
_OF_ALL_PER_S: Final = 2.0
_REMEMBERED: Final = 4096  # more than all together can use up before the first of them is back at its full number
_IPV6_PREFIX: Final = 64  # what one household or one server is given


class _Bucket:
    """So many tries at once; they grow back with time."""

    __slots__ = ("_at", "_left", "_most", "_per_s")

    def __init__(self, most: float, per_s: float, now: float) -> None:
        self._most, self._per_s = most, per_s
        self._left, self._at = most, now

    def wait(self, now: float) -> float:
        """Return how many seconds it is until there is a try."""
        self._left = min(self._most, self._left + (now - self._at) * self._per_s)
        self._at = now
        return max(0.0, (1 - self._left) / self._per_s)

    def add(self, tries: int) -> None:
        self._left = min(self._most, self._left + tries)


class SignInLimit:
    """Counts wrong keys by the address that they came from, and in all. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._all = _Bucket(_OF_ALL, _OF_ALL_PER_S, clock())
        self._each: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, address: str) -> int:
        """Take one try of this address: 0; or else the seconds until there is one, and nothing is taken."""
        with self._lock:
            now = self._clock()
            household = _household(address)
            own = self._each.get(household) or _Bucket(_OF_ONE, _OF_ONE_PER_S, now)
            wait = max(own.wait(now), self._all.wait(now))
            if not wait:
                own.add(-1)
                self._all.add(-1)
                self._remember(household, own)  # only now: who was refused must not push others out
            return math.ceil(wait)

    def give_back(self, address: str) -> None:
        """Count the try no longer: the key was a right one."""
        with self._lock:
            if own := self._each.get(_household(address)):
                own.add(1)
            self._all.add(1)

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._each)

    def _remember(self, household: str, bucket: _Bucket) -> None:
        self._each[household] = bucket
        self._each.move_to_end(household)
        while len(self._each) > _REMEMBERED:
            self._each.popitem(last=False)


def _household(address: str) -> str:
    """Return what counts as one client: an address, or a whole network where one client has as many as it likes."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # a proxy that we trust told nonsense, or there is no address
        return ""
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((int(ip), _IPV6_PREFIX), strict=False))
