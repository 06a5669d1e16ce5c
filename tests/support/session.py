"""The servers that all tests of a run share, started once by the process that leads the run."""

from dataclasses import asdict, dataclass

from tests.support import in_memory
from tests.support.databases import make_template
from tests.support.servers import PostgresProcess, RedisProcess

REDIS_DATABASES = 2048


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where the shared servers are; plain strings, so that they can be handed to xdist's workers."""

    postgres: str
    redis: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


class SharedServers:
    """A PostgreSQL with the migrated template and a Redis with many numbered databases, in a temporary folder."""

    def __init__(self) -> None:
        self._folder = folder = in_memory.new_folder()
        self._postgres = PostgresProcess.create(folder / "postgres")
        self._redis = RedisProcess.create(folder / "redis", databases=REDIS_DATABASES, append_only=False)
        try:
            self._postgres.start()
            self._redis.start()
            make_template(self._postgres.server.dsn("postgres"), self._postgres.server.password)
        except BaseException:
            self.stop()
            raise

    @property
    def addresses(self) -> Addresses:
        return Addresses(postgres=self._postgres.server.dsn("postgres"), redis=self._redis.url.rpartition("/")[0])

    def stop(self) -> None:
        """Stop both and remove their data."""
        self._redis.kill()
        self._postgres.discard()
        in_memory.remove_folder(self._folder)
