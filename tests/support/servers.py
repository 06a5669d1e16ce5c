"""Real PostgreSQL and Redis servers for tests, which can be stopped, frozen, restarted and wiped."""

import secrets
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from shared.stack.leftovers import free_data_folder
from shared.stack.ports import free_port
from shared.stack.postgres import DEATH_SIGNAL, STOP_SIGNAL, Postgres, server_account
from shared.stack.process import ChildProcess
from shared.stack.redis import RedisServer
from tests.support.waiting import wait_until


class _Server(Protocol):
    @property
    def folder(self) -> Path: ...
    def is_ready(self) -> bool: ...


S = TypeVar("S", bound=_Server)


class _Running(Generic[S]):
    """A server process that a test may treat badly. Its address stays the same through restarts."""

    def __init__(self, server: S) -> None:
        self.server = server
        self._process: ChildProcess | None = None
        self._frozen = False

    def _spawn(self, log: Path) -> ChildProcess:
        raise NotImplementedError

    @property
    def log(self) -> Path:
        return self.server.folder.parent / f"{self.server.folder.name}.log"

    def start(self) -> None:
        """Start and wait until it answers."""
        process = self._process = self._spawn(self.log)
        wait_until(lambda: self.server.is_ready() or not process.is_running, timeout=60)
        assert process.is_running, self.log.read_text()

    def stop(self) -> None:
        """Stop it in its own way."""
        if self._process:
            self.thaw()
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        if self._process:
            self._process.kill()
            self._process = None
            self._frozen = False

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop its process: connections stay open, and nothing answers."""
        assert self._process
        self._process.send_to_all(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        if self._process and self._frozen:
            self._process.send_to_all(signal.SIGCONT)
            self._frozen = False


class PostgresProcess(_Running[Postgres]):
    """A PostgreSQL of a test's or a session's own. What it writes survives a kill, not a crash of the machine."""

    _OPTIONS: ClassVar = {
        "fsync": "off",
        "full_page_writes": "off",
        "max_connections": "400",
        "shared_buffers": "64MB",
        "max_wal_size": "256MB",  # its folder may be in memory
    }

    @classmethod
    def create(cls, folder: Path) -> "PostgresProcess":
        server = Postgres(folder=folder, port=free_port(), password=secrets.token_urlsafe(), account=server_account())
        server.initialise(sync=False)
        return cls(server)

    def _spawn(self, log: Path) -> ChildProcess:
        return ChildProcess(
            self.server.argv(self._OPTIONS),
            env={},
            log=log,
            account=self.server.account,
            stop_signal=STOP_SIGNAL,
            death_signal=DEATH_SIGNAL,
        )

    def kill(self) -> None:
        super().kill()
        free_data_folder(self.server.folder)  # its backends notice a moment later, and still write

    def discard(self) -> None:
        """End it for good and at once. Unlike a kill, this gives the memory back that its processes share."""
        if self._process:
            self._process.send(signal.SIGQUIT)
            self._process.wait(10)
        self.kill()

    def freeze(self) -> None:
        raise NotImplementedError("its backends have groups of their own: freeze a proxy before it instead")


class RedisProcess(_Running[RedisServer]):
    """A Redis of a test's or a session's own."""

    @classmethod
    def create(cls, folder: Path, *, databases: int = 16, append_only: bool = True) -> "RedisProcess":
        server = RedisServer(
            folder=folder,
            port=free_port(),
            password=secrets.token_urlsafe(),
            databases=databases,
            append_only=append_only,
        )
        server.prepare()
        return cls(server)

    @property
    def url(self) -> str:
        return self.server.url()

    def _spawn(self, log: Path) -> ChildProcess:
        return ChildProcess(self.server.argv(), env={}, log=log)

    def wipe(self) -> None:
        """Lose everything that it holds, as a crash without a disk would."""
        self.kill()
        for path in self.server.folder.iterdir():
            if path.name != "redis.conf":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.start()

    def move(self) -> None:
        """Take another port at the next start."""
        self.server = replace(self.server, port=free_port())
        self.server.prepare()
