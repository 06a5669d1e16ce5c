"""The parts of Tuneyard: what is started, in which environment, how one sees that it is ready, and what it needs.

``COMMANDS`` is the one table of commands: the embedded stack runs them, docker-compose.yml repeats them.
"""

import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from shared import flower
from shared.contracts import Queue
from shared.stack import postgres as pg
from shared.stack.home import Home
from shared.stack.postgres import Postgres
from shared.stack.redis import RedisServer

_WORKERS: Final = {
    "worker-db": Queue.DB,
    "worker-gpu": Queue.GPU,
    "worker-finetune": Queue.FINETUNE,
    "worker-inference": Queue.INFERENCE,
    "sweeps": Queue.SWEEPS,
}

COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "migrate": ("python", "-m", "shared.db.migrate"),
    **{name: ("python", "-m", "workers", queue.value) for name, queue in _WORKERS.items()},
    "beat": ("python", "-m", "workers", "beat"),
    "api": ("python", "-m", "api"),
    # Address, port, password and path are in FLOWER_ADDRESS, FLOWER_PORT, FLOWER_BASIC_AUTH and FLOWER_URL_PREFIX.
    "flower": ("python", "-m", "celery", "--app", "workers.app", "--quiet", "flower"),
}

_PROBE_SECONDS: Final = 2.0
_WORKER_STOP_SECONDS: Final = 35.0  # a little more than worker_soft_shutdown_timeout (workers/app.py)
_STOP_SECONDS: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process of the stack."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_ready: Callable[[], bool]
    needs: tuple[str, ...] = ()
    """Parts that must be ready before its first start; they are stopped after it."""
    once: bool = False
    """Whether it does its work and ends with 0, as migrations do."""
    on_ready: Callable[[], None] | None = None
    account: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it when the supervisor dies."""
    stop_seconds: float = _STOP_SECONDS
    marker: Path | None = None
    """A file that it creates when it is ready; removed before each start."""


def postgres_part(server: Postgres, env: Mapping[str, str]) -> Part:
    """Return the embedded PostgreSQL."""
    return Part(
        name="postgres",
        argv=tuple(server.argv()),
        env=env,
        is_ready=server.is_ready,
        account=server.account,
        stop_signal=pg.STOP_SIGNAL,
        death_signal=pg.DEATH_SIGNAL,
        stop_seconds=30,  # it writes a checkpoint
    )


def redis_part(server: RedisServer, env: Mapping[str, str]) -> Part:
    """Return the embedded Redis."""
    return Part(name="redis", argv=tuple(server.argv()), env=env, is_ready=server.is_ready)


def migrate_part(env: Mapping[str, str], needs: tuple[str, ...], on_ready: Callable[[], None]) -> Part:
    """Return the migrations; ``on_ready`` is called when they are done."""
    return Part(
        name="migrate", argv=_argv("migrate"), env=env, needs=needs, once=True, is_ready=bool, on_ready=on_ready
    )


def worker_parts(home: Home, env: Mapping[str, str], own: Mapping[Queue, Mapping[str, str]]) -> list[Part]:
    """Return the worker of each queue, and beat; ``own`` is what only one queue's worker is told."""
    names = {name: own.get(queue, {}) for name, queue in _WORKERS.items()} | {"beat": {}}
    return [
        Part(
            name=name,
            argv=_argv(name),
            env={**env, **extra, "READY_FILE": str(home.ready_file(name))},
            needs=("sweeps",) if name == "beat" else ("migrate",),
            is_ready=home.ready_file(name).exists,
            marker=home.ready_file(name),
            stop_seconds=_WORKER_STOP_SECONDS,
        )
        for name, extra in names.items()
    ]


def api_part(url: str, env: Mapping[str, str]) -> Part:
    """Return the front; it starts when predictions can be answered."""
    return _web_part("api", f"{url}/healthz", needs=("migrate", "worker-inference"), env=env)


def flower_part(url: str, env: Mapping[str, str]) -> Part:
    """Return Flower, which watches the queues."""
    return _web_part("flower", flower_probe(url), needs=("migrate",), env=env)


def flower_probe(url: str) -> str:
    """Return what Flower answers without a password."""
    return f"{url}{flower.PATH}/healthcheck"


def _web_part(name: str, probe: str, *, needs: tuple[str, ...], env: Mapping[str, str]) -> Part:
    return Part(name=name, argv=_argv(name), env=env, needs=needs, is_ready=lambda: answers(probe))


def _argv(name: str) -> tuple[str, ...]:
    python, *arguments = COMMANDS[name]
    return (sys.executable if python == "python" else python, *arguments)


def answers(url: str) -> bool:
    """Tell whether a server answers at this address without an error of its own (5xx)."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status < 500  # noqa: PLR2004
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
