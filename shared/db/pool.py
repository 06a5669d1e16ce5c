"""Connections to PostgreSQL: one pool for each process, and the three kinds of transaction that Tuneyard knows."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

import psycopg
from psycopg import Connection, IsolationLevel, errors
from psycopg_pool import ConnectionPool, PoolTimeout

from shared.errors import UnavailableError
from shared.settings import get_settings

# A dead server is found out in seconds, not in the two hours of the kernel's default.
_KEEPALIVE = "keepalives_idle=10 keepalives_interval=5 keepalives_count=3 connect_timeout=5 tcp_user_timeout=20000"
# No statement of ours may hang for ever; the longest legitimate ones are exports (see the db queue's time limit).
_OPTIONS = "-c statement_timeout=840s -c idle_in_transaction_session_timeout=120s -c timezone=UTC"
_TRUSTED_S = 1.0
_TRAINER_OPTIONS = f"{_OPTIONS} -c role=tuneyard_trainer -c default_transaction_read_only=on"

T = TypeVar("T")


class PooledConnection(Connection):
    """A connection that knows when it was last used."""

    used_at = 0.0


class Database:
    """A pool of connections to one database. Create it after a fork, never before."""

    def __init__(self, dsn: str, size: int = 10, timeout: float = 10.0) -> None:
        self.dsn = dsn
        self._broke_at = 0.0
        self._pool: ConnectionPool[PooledConnection] = ConnectionPool(
            psycopg.conninfo.make_conninfo(dsn, options=_OPTIONS, **_keepalive()),
            connection_class=PooledConnection,
            min_size=0,
            max_size=size,
            timeout=timeout,
            check=self._check,
            reconnect_timeout=5.0,
            open=True,
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction; it commits when the block ends and rolls back on an error.

        Raises UnavailableError when no connection can be had.
        """
        with self._connection() as conn:
            yield conn

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """Lend a connection for one statement, which is a transaction by itself: one trip instead of three."""
        with self._connection(autocommit=True) as conn:
            yield conn

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a short read-only transaction. Raises UnavailableError as above."""
        with self._connection(read_only=True) as conn:
            yield conn

    def read(self, query: Callable[[Connection], T]) -> T:
        """Run a short read, and run it once more when its connection turns out to be broken.

        Raises UnavailableError as above.
        """
        try:
            with self.reading() as conn:
                return query(conn)
        except UnavailableError as error:
            if not connection_lost(error):
                raise
        with self.reading() as conn:
            return query(conn)

    @contextmanager
    def training_data(self) -> Iterator[Connection]:
        """Open a repeatable read as the training role, which sees labels and never predictions.

        It has a connection of its own, so that no pooled connection ever carries the role elsewhere.
        """
        dsn = psycopg.conninfo.make_conninfo(self.dsn, options=_TRAINER_OPTIONS, **_keepalive())
        with psycopg.connect(dsn) as conn:
            conn.isolation_level = IsolationLevel.REPEATABLE_READ
            yield conn

    @contextmanager
    def _connection(self, *, read_only: bool | None = None, autocommit: bool = False) -> Iterator[Connection]:
        try:
            with self._pool.connection() as conn:
                conn.read_only = read_only  # part of BEGIN: no statement of its own
                conn.autocommit = autocommit
                yield conn
                conn.used_at = time.monotonic()
        except (PoolTimeout, psycopg.OperationalError) as error:
            self._broke_at = time.monotonic()
            raise UnavailableError(
                f"the database does not answer ({type(error).__name__})",
                advice="check DATABASE_URL and that PostgreSQL runs",
            ) from error

    def _check(self, conn: PooledConnection) -> None:
        """Replace a connection that a restart of the server broke.

        One used a moment ago is trusted, for a check is a trip; but none is once another one broke.
        """
        if conn.used_at < max(time.monotonic() - _TRUSTED_S, self._broke_at):
            ConnectionPool.check_connection(conn)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def connection_lost(error: UnavailableError) -> bool:
    """Whether a connection broke while it was used, so that another one may serve; not, that none could be had."""
    return not isinstance(error.__cause__, PoolTimeout | errors.DeadlockDetected)


def _keepalive() -> dict[str, str]:
    return dict(pair.split("=") for pair in _KEEPALIVE.split())


@lru_cache(maxsize=2)
def _database_of(pid: int) -> Database:  # noqa: ARG001  (the key: a forked child must not share its parent's sockets)
    settings = get_settings()
    return Database(settings.dsn(), settings.database_pool_size)


def get_database() -> Database:
    """Return this process's database."""
    return _database_of(os.getpid())
