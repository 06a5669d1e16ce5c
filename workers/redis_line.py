"""The short way to Redis for calls: one connection, some commands at once, all their answers.

redis-py's clients look after pools, retries and metrics, which costs several times what the commands themselves do; its
connections do what is needed here: addresses, TLS, authentication, and connecting again after a loss.
"""

import asyncio
import threading
from typing import Any, Final

import redis
import redis.asyncio
from hiredis import pack_command

_CONNECT_S: Final = 1.0

Command = tuple[str | bytes | float, ...]


class RedisLine:
    """One connection for a worker. Gives up after ``timeout_s``, and never tries twice."""

    def __init__(self, url: str, timeout_s: float) -> None:
        pool: Any = redis.ConnectionPool.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=_CONNECT_S)
        self._connection = pool.make_connection()
        self._lock = threading.Lock()

    def run(self, *commands: Command) -> list[Any]:
        """Send all commands together and return their answers. Raises RedisError or OSError."""
        connection = self._connection
        with self._lock:
            try:
                connection.send_packed_command(_packed(commands), check_health=False)
                return [connection.read_response() for _ in commands]
            except BaseException:
                connection.disconnect()  # what it still owes must not be taken for the next answer
                raise


class AsyncRedisLine:
    """One connection for a front. Gives up after ``timeout_s``, and never tries twice."""

    def __init__(self, url: str, timeout_s: float) -> None:
        # No time-out of its own: redis-py would start a task for each command to watch over it.
        pool: Any = redis.asyncio.ConnectionPool.from_url(url, socket_timeout=None, socket_connect_timeout=_CONNECT_S)
        self._connection = pool.make_connection()
        self._lock = asyncio.Lock()
        self._timeout_s = timeout_s

    async def run(self, *commands: Command) -> list[Any]:
        """Send all commands together and return their answers. Raises RedisError or OSError (as TimeoutError)."""
        connection = self._connection
        async with asyncio.timeout(self._timeout_s), self._lock:
            try:
                await connection.send_packed_command(_packed(commands), check_health=False)
                return [await connection.read_response() for _ in commands]
            except BaseException:
                await connection.disconnect(nowait=True)
                raise

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.disconnect()


def _packed(commands: tuple[Command, ...]) -> list[bytes]:
    """Return all commands as one piece: redis-py sends each piece by itself."""
    packed = [pack_command(command) for command in commands]  # type: ignore[arg-type]  # any tuple will do
    return [b"".join(packed)]
