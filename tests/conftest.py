"""Fixtures of all tests: real servers, real processes, and settings that name them.

The process that leads the run starts the servers; with xdist its workers get their addresses. Every test that asks
for a database or for Redis gets an empty one of its own.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
import structlog
from xdist.workermanage import WorkerController

from shared import registry
from shared.db import pool
from shared.db.pool import Database
from shared.settings import Settings, get_settings
from shared.stack.process import ChildProcess
from tests.support import in_memory
from tests.support.databases import fresh_database
from tests.support.network import forbid_outside
from tests.support.order import MARK_LINE, dealt
from tests.support.processes import ApiServer, Processes
from tests.support.servers import PostgresProcess, RedisProcess
from tests.support.session import Addresses, SharedServers
from tests.support.surroundings import OURS, environment_of, numbered_redis

PROBE = "tests.support.probe"

# Hundreds of processes import the same modules: with their bytecode kept, each starts in half the time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("tuneyard", deadline=None)
hypothesis.settings.load_profile("tuneyard")

# What our own code logs in a test's process is no part of what its commands print.
structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))

_servers = pytest.StashKey[SharedServers]()
_addresses = pytest.StashKey[Addresses]()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Let processes that have nothing left to do take over tests of others (the default of ``-n`` deals early)."""
    if config.option.numprocesses and config.option.dist == "no":
        config.option.dist = "worksteal"


def pytest_configure(config: pytest.Config) -> None:
    forbid_outside()
    config.addinivalue_line("markers", MARK_LINE)
    handed_over = getattr(config, "workerinput", None)
    if handed_over is not None:
        config.stash[_addresses] = Addresses(**handed_over["addresses"])


def pytest_configure_node(node: WorkerController) -> None:
    """Hand the addresses to a worker of xdist."""
    node.workerinput["addresses"] = _shared_servers(node.config).addresses.as_dict()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = dealt(items)


def pytest_unconfigure(config: pytest.Config) -> None:
    if servers := config.stash.get(_servers, None):
        servers.stop()


def _shared_servers(config: pytest.Config) -> SharedServers:
    if _servers not in config.stash:
        config.stash[_servers] = SharedServers()
    return config.stash[_servers]


@pytest.fixture(scope="session")
def addresses(pytestconfig: pytest.Config) -> Addresses:
    """Where the run's shared servers are; they start with the first test that needs one."""
    if _addresses not in pytestconfig.stash:
        pytestconfig.stash[_addresses] = _shared_servers(pytestconfig).addresses
    return pytestconfig.stash[_addresses]


# --- data -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def dsn(addresses: Addresses) -> Iterator[str]:
    """The address of a migrated database of the test's own."""
    with fresh_database(addresses.postgres) as address:
        yield address


@pytest.fixture
def empty_dsn(addresses: Addresses) -> Iterator[str]:
    """The address of a database with nothing in it."""
    with fresh_database(addresses.postgres, migrated=False) as address:
        yield address


@pytest.fixture
def database(dsn: str) -> Iterator[Database]:
    """A pool of connections to the test's database."""
    database = Database(dsn)
    yield database
    database.close()


@pytest.fixture
def redis_url(addresses: Addresses, worker_id: str) -> Iterator[str]:
    """A numbered database of the shared Redis, which is flushed alone: for FLUSHALL see ``own_redis``."""
    with numbered_redis(addresses, worker_id) as url:
        yield url


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisProcess]:
    """A running Redis that the test may stop, freeze and wipe."""
    server = RedisProcess.create(tmp_path / "own-redis")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """A folder where a PostgreSQL may have its data.

    Not ``tmp_path``: every run of pytest that starts closes the folder above it to other accounts.
    """
    folder = in_memory.new_folder()
    yield folder
    in_memory.remove_folder(folder)


@pytest.fixture
def own_postgres(server_folder: Path) -> Iterator[PostgresProcess]:
    """A running PostgreSQL, with an empty database ``tuneyard``, that the test may stop, kill and restart."""
    server = PostgresProcess.create(server_folder / "own-postgres")
    server.start()
    yield server
    server.discard()


# --- this process's settings, and other processes -------------------------------------------------------------------


@pytest.fixture
def environment(dsn: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment that a deployment would give its processes. Override it to put them somewhere else."""
    return environment_of(dsn, redis_url, tmp_path)


@pytest.fixture
def settings(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The settings of the test's environment, which ``get_settings`` and ``get_database`` follow too."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
        if name in environment:
            monkeypatch.setenv(name, environment[name])
    get_settings.cache_clear()
    yield get_settings()
    if pool._database_of.cache_info().currsize:
        pool.get_database().close()
        pool._database_of.cache_clear()
    get_settings.cache_clear()


@pytest.fixture
def probe_pipeline(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process's registry know the pipeline of ``tests/support/probe.py``."""
    monkeypatch.setenv("TUNEYARD_PIPELINES", PROBE)
    _forget_pipelines()
    yield
    monkeypatch.undo()
    _forget_pipelines()


def _forget_pipelines() -> None:
    for remembered in (get_settings, registry.pipelines, registry.steps):
        remembered.cache_clear()


@pytest.fixture
def processes(environment: dict[str, str], tmp_path: Path) -> Iterator[Processes]:
    """Starts processes in the test's environment; they are ended with the test."""
    logs = tmp_path / "logs"
    logs.mkdir()
    processes = Processes(environment, logs)
    yield processes
    processes.stop_all()


@pytest.fixture
def worker(processes: Processes) -> Callable[..., ChildProcess]:
    """Start the real worker of a queue: ``worker("db", LEASE_SECONDS="2")``; ``worker("beat")`` starts beat."""
    return processes.worker


@pytest.fixture
def workers(processes: Processes) -> Callable[..., list[ChildProcess]]:
    """Start several workers at once: ``workers("db", "sweeps", "beat")``."""
    return processes.workers


@pytest.fixture
def api_key(environment: dict[str, str]) -> str:
    """The plain text of an API key that may do everything."""
    from shared.contracts import Scope
    from shared.keys import create_key

    database = Database(environment["DATABASE_URL"])
    with ExitStack() as stack:
        stack.callback(database.close)
        conn = stack.enter_context(database.transaction())
        _, key = create_key(conn, "tests", [Scope.ADMIN])
    return key


@pytest.fixture
def api_server(processes: Processes, api_key: str) -> Callable[..., ApiServer]:
    """Start the real front: ``with api_server().client() as client: ...``."""

    def start(**env: str) -> ApiServer:
        return ApiServer(processes, api_key, **env)

    return start
