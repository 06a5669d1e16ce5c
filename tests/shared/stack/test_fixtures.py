"""The fixtures keep their promises."""

import socket

import psycopg
import pytest
import redis
from redis.exceptions import RedisError

from shared.db.pool import Database, get_database
from shared.settings import Settings
from tests.support.network import OutsideError
from tests.support.servers import PostgresProcess, RedisProcess


@pytest.mark.parametrize("round_", [1, 2])
def test_each_test_has_a_database_of_its_own(database: Database, round_: int) -> None:
    with database.transaction() as conn:
        conn.execute("CREATE TABLE only_here (n integer)")
        assert conn.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


@pytest.mark.parametrize("round_", [1, 2])
def test_each_test_has_an_empty_redis(redis_url: str, round_: int) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.incr("counter") == 1


def test_settings_name_the_tests_own_servers(settings: Settings, dsn: str, redis_url: str) -> None:
    assert (settings.dsn(), settings.broker()) == (dsn, redis_url)
    with get_database().reading() as conn:
        assert conn.info.dbname == dsn.rpartition("/")[2]


def test_own_redis_keeps_its_data_through_a_restart_and_loses_it_when_wiped(own_redis: RedisProcess) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.set("key", "value")
    own_redis.restart()
    with redis.Redis.from_url(own_redis.url) as client:
        assert client.get("key") == b"value"
    own_redis.wipe()
    with redis.Redis.from_url(own_redis.url) as client:
        assert client.get("key") is None


def test_own_redis_can_be_frozen(own_redis: RedisProcess) -> None:
    own_redis.freeze()
    with (
        redis.Redis.from_url(own_redis.url, socket_timeout=0.2, socket_connect_timeout=0.2) as client,
        pytest.raises(RedisError),
    ):
        client.ping()
    own_redis.thaw()
    assert own_redis.server.is_ready()


def test_own_postgres_keeps_its_data_through_a_crash(own_postgres: PostgresProcess) -> None:
    with psycopg.connect(own_postgres.server.dsn()) as conn:
        conn.execute("CREATE TABLE kept (n integer)")
    own_postgres.kill()
    own_postgres.start()
    with psycopg.connect(own_postgres.server.dsn()) as conn:
        assert conn.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_the_outside_is_out_of_reach() -> None:
    with socket.socket() as outside, pytest.raises(OutsideError):
        outside.connect(("192.0.2.1", 9))
