"""A fence: no test may reach beyond this machine. It holds for this process; children inherit no proxy settings."""

import ipaddress
import sys
from typing import Any

_installed = False


class OutsideError(RuntimeError):
    """A test tried to reach another machine."""


def _check(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in {"socket.connect", "socket.sendto"}:
        return
    address = arguments[1]
    if isinstance(address, tuple) and not _is_loopback(str(address[0])):
        raise OutsideError(f"a test must not reach {address}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def forbid_outside() -> None:
    """Refuse connections to anything but the loopback addresses, for the rest of this process's life."""
    global _installed  # noqa: PLW0603  (an audit hook cannot be removed, and must not be added twice)
    if not _installed:
        sys.addaudithook(_check)
        _installed = True
