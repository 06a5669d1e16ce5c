"""One browser for each process of tests, one front for each module, and a window of its own for each visit."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, sync_playwright

from shared.contracts import Scope
from shared.db.pool import Database
from shared.keys import create_key
from tests.support.browser import Site, SiteProcess
from tests.support.chromium import NoBrowserError, chromium, must_be_there
from tests.support.databases import fresh_database
from tests.support.processes import ApiServer, Processes
from tests.support.session import Addresses
from tests.support.surroundings import environment_of, numbered_redis

# Nothing but the loopback address has a name, and no proxy is asked: the fence of tests/support/network.py, for the
# browser. Its shared memory would compete with the servers' for /dev/shm.
_ARGUMENTS: Final = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-proxy-server",
    "--disable-dev-shm-usage",
    "--disable-gpu",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium. Tests that need it are skipped with a reason where there can be none, and fail in CI."""
    try:
        program = chromium()
    except NoBrowserError as error:
        if must_be_there():
            pytest.fail(str(error))
        pytest.skip(str(error))
    sandbox = os.geteuid() != 0  # Chromium's own does not work for root
    with _no_loop_left(), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS, chromium_sandbox=sandbox)
        yield browser
        browser.close()


@contextmanager
def _no_loop_left() -> Iterator[None]:
    yield
    asyncio._set_running_loop(None)


@pytest.fixture
def _browsers_turn(browser: Browser) -> Iterator[None]:
    """Let Playwright's event loop be this thread's during the test only.

    It waits in a greenlet of its own for as long as the browser runs, and says that it is running: in between, other
    tests could not run a loop of theirs.
    """
    asyncio._set_running_loop(browser._impl_obj._loop)
    yield
    asyncio._set_running_loop(None)


@pytest.fixture(scope="module")
def site_env() -> Mapping[str, str]:
    """What the module's front is told besides, as ``{"TUNEYARD_PIPELINES": PROBE}``. Override it in a module."""
    return {}


@pytest.fixture(scope="module")
def site_process(
    addresses: Addresses, worker_id: str, tmp_path_factory: pytest.TempPathFactory, site_env: Mapping[str, str]
) -> Iterator[SiteProcess]:
    """The module's front, on an empty database."""
    with running_site(addresses, worker_id, tmp_path_factory.mktemp("site"), site_env) as process:
        yield process


@contextmanager
def running_site(addresses: Addresses, worker_id: str, folder: Path, env: Mapping[str, str]) -> Iterator[SiteProcess]:
    """Run a front on an empty database."""
    with fresh_database(addresses.postgres) as dsn, numbered_redis(addresses, worker_id) as redis_url:
        processes = Processes({**environment_of(dsn, redis_url, folder), **env}, folder)
        database = Database(dsn, size=4)
        try:
            with database.transaction() as conn:
                _, key = create_key(conn, "tests", [Scope.ADMIN])
            yield SiteProcess(ApiServer(processes, key), processes, database)
        finally:
            processes.stop_all()
            database.close()


@pytest.fixture
def site(site_process: SiteProcess, browser: Browser, _browsers_turn: None) -> Iterator[Site]:
    """The module's site. The test fails if a page's script failed, or broke the Content-Security-Policy."""
    site = Site(site_process, browser)
    yield site
    site.close()
    assert not site.troubles, "\n".join(site.troubles)
