"""Finding ports on the loopback address."""

import random
import socket

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes ports of outgoing connections: nobody gets the port between choice and use.
_LOWEST, _HIGHEST = 20_000, 32_000
_TRIES = 200
_NEXT = 100


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
    """Return some free port. Raises OSError when none is found."""
    for _ in range(_TRIES):
        port = random.randrange(_LOWEST, _HIGHEST)  # noqa: S311  (no secret)
        if is_free(port):
            return port
    raise OSError(f"no free port between {_LOWEST} and {_HIGHEST}")


def first_free(wanted: int, host: str = LOOPBACK, *, besides: int | None = None) -> int:
    """Return the wanted port, or the next free one above it, but not ``besides``.

    Raises OSError when all of the next hundred are taken.
    """
    for port in range(wanted, min(wanted + _NEXT, 65_536)):
        if port != besides and is_free(port, host):
            return port
    raise OSError(f"no free port from {wanted} to {wanted + _NEXT - 1}")
