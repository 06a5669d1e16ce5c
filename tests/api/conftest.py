"""The front in a thread of the test's process, over real HTTP: as fast to start as it is to import."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
import uvicorn

from api.app import Tuneyard, create_app
from shared import jobs
from shared.contracts import Scope
from shared.db import attempts
from shared.db.pool import Database
from shared.jobs import Job
from shared.keys import create_key
from shared.settings import Settings, get_settings
from shared.stack.ports import free_port
from tests.support.waiting import wait_until

NO_HURRY = timedelta(minutes=5)


@dataclass(frozen=True)
class Front:
    """A running front, and clients of it."""

    app: Tuneyard
    url: str
    database: Database

    def key(self, *scopes: Scope, name: str = "tester") -> str:
        with self.database.transaction() as conn:
            return create_key(conn, name, scopes or [Scope.ADMIN])[1]

    def client(self, key: str | None = None, **headers: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key or self.key()}", **headers}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def job(self, job_id: str) -> Job:
        with self.database.reading() as conn:
            return jobs.get(conn, job_id)

    def finish(self, job_id: str, result: dict[str, int] | None = None) -> None:
        """Do what a worker does, but for the work."""
        with self.database.transaction() as conn:
            job = attempts.claim(conn, job_id, worker="w", lease=NO_HURRY)
            assert job
            assert attempts.succeed(conn, job_id, job.attempt, result or {"value": 1})


@pytest.fixture
def front_settings(settings: Settings, probe_pipeline: None) -> Settings:
    """The settings that the front runs with; override it to change them."""
    return get_settings()


@pytest.fixture
def start_front(database: Database) -> Iterator[Callable[[Settings], Front]]:
    """Start a front with the given settings."""
    servers: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(settings: Settings) -> Front:
        app, port = create_app(settings), free_port()
        server = uvicorn.Server(
            uvicorn.Config(app, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=5)
        )
        thread = threading.Thread(target=server.run, name="front")
        thread.start()
        servers.append((server, thread))
        wait_until(lambda: server.started or not thread.is_alive(), timeout=30)
        return Front(app, f"http://127.0.0.1:{port}", database)

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def front(front_settings: Settings, start_front: Callable[[Settings], Front]) -> Front:
    return start_front(front_settings)


@pytest.fixture
def client(front: Front) -> Iterator[httpx.Client]:
    """A client with an administrator's key."""
    with front.client() as client:
        yield client
