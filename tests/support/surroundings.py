"""What the processes of a test are told, and the Redis that they share: for one test, or for those of a module."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from shared.settings import Settings
from tests.support.session import REDIS_DATABASES, Addresses

# Settings of whoever runs the tests must not reach them.
OURS = frozenset(name.upper() for name in Settings.model_fields)
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
_EACH = 64
_numbers = itertools.cycle(range(_EACH))


@contextmanager
def numbered_redis(addresses: Addresses, worker_id: str) -> Iterator[str]:
    """Lend an empty numbered database of the shared Redis. FLUSHDB is allowed, FLUSHALL is not."""
    worker = 0 if worker_id == "master" else int(worker_id.removeprefix("gw"))
    url = f"{addresses.redis}/{(worker * _EACH + next(_numbers)) % REDIS_DATABASES}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


def environment_of(dsn: str, redis_url: str, folder: Path) -> dict[str, str]:
    """Return the environment that a deployment would give its processes."""
    kept = {k: v for k, v in os.environ.items() if k.upper() not in OURS and k.lower() not in _PROXIES}
    return kept | {
        "DATABASE_URL": dsn,
        "REDIS_URL": redis_url,
        "TUNEYARD_HOME": str(folder / "home"),
        "LOG_FORMAT": "console",
        "PYTHONUNBUFFERED": "1",
    }
