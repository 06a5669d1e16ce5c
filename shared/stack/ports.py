"""Finding ports on the loopback address, and keeping them until the server that they are for has started.

Between choice and use lie seconds. So whoever chooses a port reserves it: with a name in the kernel (an abstract Unix
socket) that goes away with the process, whatever becomes of it. Everybody who chooses ports here passes over the ports
that another process has reserved, and over those that are in use.
"""

import atexit
import random
import socket
from collections import OrderedDict
from typing import Final

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes ports of outgoing connections: other programs rarely come upon these.
_LOWEST, _HIGHEST = 20_000, 32_000
_TRIES = 200
_NEXT = 100
_MOST_KEPT: Final = 64  # by then the server of the oldest has started long ago

_dice = random.SystemRandom()  # the common one may be seeded alike in several processes
_reserved: OrderedDict[int, socket.socket] = OrderedDict()


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return some free port, reserved for this process. Raises OSError when none is found."""
    for _ in range(_TRIES):
        port = _dice.randrange(_LOWEST, _HIGHEST)
        if port not in _reserved and _take(port):
            return port
    raise OSError(f"no free port between {_LOWEST} and {_HIGHEST}")


def first_free(wanted: int, host: str = LOOPBACK, *, besides: int | None = None) -> int:
    """Return the wanted port, or the next free one above it, but not ``besides``; it is reserved for this process.

    Raises OSError when all of the next hundred are taken.
    """
    for port in range(wanted, min(wanted + _NEXT, 65_536)):
        if port != besides and _take(port, host):
            return port
    raise OSError(f"no free port from {wanted} to {wanted + _NEXT - 1}")


@atexit.register
def _release() -> None:
    while _reserved:
        _reserved.popitem()[1].close()


def _take(port: int, host: str = LOOPBACK) -> bool:
    """Reserve the port until this process ends or has chosen many others; False when it is not to be had."""
    if port in _reserved:
        return is_free(port, host)
    name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        name.bind(f"\0tuneyard-port-{port}")
    except OSError:  # another process has it
        name.close()
        return False
    if not is_free(port, host):
        name.close()
        return False
    _reserved[port] = name
    if len(_reserved) > _MOST_KEPT:
        _reserved.popitem(last=False)[1].close()
    return True
