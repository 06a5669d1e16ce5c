"""Processes of Tuneyard itself, started as a deployment starts them."""

import itertools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import httpx

from shared.stack.ports import free_port
from shared.stack.process import ChildProcess
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
_START_SECONDS = 60  # importing takes long while several test processes share two cores


class Processes:
    """Starts processes with one environment, and ends them all at the end of a test."""

    def __init__(self, env: Mapping[str, str], logs: Path) -> None:
        self._env = dict(env)
        self._logs = logs
        self._count = itertools.count(1)
        self._running: list[ChildProcess] = []

    @property
    def env(self) -> Mapping[str, str]:
        """What the processes are told."""
        return MappingProxyType(self._env)

    def start(self, argv: list[str], **env: str) -> ChildProcess:
        """Start a program in the project's folder; its output goes to ``process.log``."""
        log = self._logs / f"{next(self._count):02}.log"
        process = ChildProcess(argv, env={**self._env, **env}, log=log, cwd=ROOT)
        self._running.append(process)
        return process

    def python(self, *arguments: str, **env: str) -> ChildProcess:
        """Start ``python`` with these arguments."""
        return self.start([sys.executable, *arguments], **env)

    def worker(self, queue: str, *, module: str = "workers", **env: str) -> ChildProcess:
        """Start the worker of a queue (or ``beat``) and wait until it takes messages."""
        return self.workers(queue, module=module, **env)[0]

    def workers(self, *queues: str, module: str = "workers", **env: str) -> list[ChildProcess]:
        """Start the workers of several queues at once, and wait until all take messages."""
        marks = [self._logs / f"{next(self._count):02}.ready" for _ in queues]
        started = [
            self.python("-m", module, queue, READY_FILE=str(mark), **env)
            for queue, mark in zip(queues, marks, strict=True)
        ]
        for process, mark in zip(started, marks, strict=True):
            self.wait_for(process, mark.exists)
        return started

    def wait_for(self, process: ChildProcess, ready: Callable[[], bool]) -> None:
        """Wait until the process is ready. Raises AssertionError with its log when it ends before or takes too long."""
        try:
            wait_until(lambda: ready() or not process.is_running, timeout=_START_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"not ready within {_START_SECONDS} s:\n{process.log.read_text()}") from error
        assert process.is_running, f"ended with {process.exit_code}:\n{process.log.read_text()}"

    def stop_all(self) -> None:
        """Kill what still runs: a test that cares for a normal stop does it itself."""
        for process in reversed(self._running):
            process.kill()


class ApiServer:
    """The front, in processes of its own, on a free port."""

    def __init__(self, processes: Processes, key: str, **env: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = key
        self.process = processes.python("-m", "api", API_PORT=str(self.port), **env)
        processes.wait_for(self.process, self._is_up)

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def client(self, *, timeout: float = 30) -> httpx.Client:
        """Return a client that sends an administrator's key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout, trust_env=False)
