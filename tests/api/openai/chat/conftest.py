"""One worker answers all tests of this folder: they share a database, a Redis and a folder of models with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.openai.conftest import Shop
from tests.support.databases import fresh_database
from tests.support.processes import Processes
from tests.support.session import Addresses
from tests.support.surroundings import environment_of, numbered_redis


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chat")


@pytest.fixture(scope="package")
def dsn(addresses: Addresses) -> Iterator[str]:
    with fresh_database(addresses.postgres) as address:
        yield address


@pytest.fixture(scope="package")
def redis_url(addresses: Addresses, worker_id: str) -> Iterator[str]:
    with numbered_redis(addresses, worker_id) as url:
        yield url


@pytest.fixture(scope="package")
def environment(dsn: str, redis_url: str, folder: Path) -> dict[str, str]:
    return environment_of(dsn, redis_url, folder)


@pytest.fixture(scope="package")
def inference(environment: dict[str, str], folder: Path) -> Iterator[None]:
    """The worker that answers."""
    processes = Processes(environment, folder)
    processes.worker("inference")
    yield
    processes.stop_all()


@pytest.fixture
def serving(shop: Shop, inference: None) -> Shop:
    """A front with a worker that answers."""
    return shop
