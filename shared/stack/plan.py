"""Decides what a stack consists of: which servers are embedded, on which ports, and what each process is told."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from shared import flower
from shared.contracts import Queue, Scope
from shared.db import keys as key_rows
from shared.db.pool import Database
from shared.keys import create_key, ensure, hash_of
from shared.llm.connection import OPENAI_URL, OUR_PATH, is_this_machines
from shared.settings import Settings
from shared.stack import parts
from shared.stack.home import Home, Secrets
from shared.stack.leftovers import MARK
from shared.stack.parts import Part
from shared.stack.ports import LOOPBACK, first_free, free_port
from shared.stack.postgres import Postgres, server_account
from shared.stack.redis import RedisServer

_KEY_NAME = "local"
_TRAINER_KEY_NAME = "finetune-worker"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to start, and where it will be found."""

    parts: tuple[Part, ...]
    url: str
    flower_url: str
    """Where Flower answers the front; people go to the front."""
    exports: Mapping[str, str] = field(repr=False)
    """Environment variables with which other programs reach the stack."""


class Keys:
    """The stack's own API keys: made at the first start, and again when the database does not know them."""

    def __init__(self, home: Home, dsn: str) -> None:
        self._home = home
        self._dsn = dsn
        self.made_new = False

    def ensure(self) -> None:
        """Make the key if need be. Raises UnavailableError when the database does not answer."""
        kept = self._home.secrets()
        database = Database(self._dsn, size=1)
        try:
            with database.transaction() as conn:
                ensure(conn, _TRAINER_KEY_NAME, [Scope.SUBMIT], kept.trainer_key)
                if kept.api_key and key_rows.by_hash(conn, hash_of(kept.api_key)):
                    return
                _, key = create_key(conn, _KEY_NAME, [Scope.ADMIN])
                self._home.keep(kept.model_copy(update={"api_key": key}))
        finally:
            database.close()
        self.made_new = True


def make_plan(settings: Settings, home: Home) -> tuple[Plan, Keys]:
    """Choose ports, make data folders where there are none, and list the parts.

    Raises UnavailableError when an embedded server is needed but not installed.
    """
    secrets = home.secrets()
    servers, exports = _servers(settings, home, secrets)
    api_port = first_free(settings.api_port, settings.api_host)
    flower_port = first_free(settings.flower_port, besides=api_port)
    url, flower_url = f"http://{LOOPBACK}:{api_port}", f"http://{LOOPBACK}:{flower_port}"
    exports |= {
        "ARTIFACTS_URL": settings.artifacts_url or (home.folder / "artifacts").as_uri(),
        "TUNEYARD_HOME": str(home.folder),
        "TUNEYARD_URL": url,
        "OPENAI_BASE_URL": _provider_url(settings, url),
        "FLOWER_URL": flower_url,
    }
    env = {**os.environ, MARK: str(home.folder), **exports, "API_PORT": str(api_port)}
    flower_env = {
        **env,
        "FLOWER_ADDRESS": LOOPBACK,
        "FLOWER_PORT": str(flower_port),
        "FLOWER_BASIC_AUTH": flower_login(secrets),
        "FLOWER_URL_PREFIX": flower.PATH.strip("/"),  # people see its pages through the front, which knows who asks
        "FLOWER_READ_ONLY": "true",  # it watches; who wants to cancel a job asks the API
    }
    front_env = {**env, "FLOWER_PASSWORD": secrets.flower_password}
    keys = Keys(home, exports["DATABASE_URL"])
    table = (
        *servers,
        parts.migrate_part(env, tuple(s.name for s in servers), keys.ensure),
        *parts.worker_parts(home, env, {Queue.FINETUNE: {"TUNEYARD_KEY": secrets.trainer_key}}),
        parts.api_part(url, front_env),
        parts.flower_part(flower_url, flower_env),
    )
    return Plan(parts=table, url=url, flower_url=flower_url, exports=exports), keys


def _provider_url(settings: Settings, url: str) -> str:
    """Return where fine-tunes are made: where the settings say, or else by the stack itself."""
    if is_this_machines(settings):
        return url + OUR_PATH
    if settings.openai_base_url:
        return settings.openai_base_url
    return OPENAI_URL if settings.openai_api_key.get_secret_value() else url + OUR_PATH


def flower_login(secrets: Secrets) -> str:
    """Return user and password of Flower, as ``user:password``."""
    return f"{flower.USER}:{secrets.flower_password}"


def _servers(settings: Settings, home: Home, secrets: Secrets) -> tuple[list[Part], dict[str, str]]:
    """Return the embedded servers, and the addresses of database and broker, embedded or not."""
    # They need nothing of ours, and run as another account when we are root: they get no secrets.
    env = {"PATH": os.environ.get("PATH", os.defpath), MARK: str(home.folder)}
    found: list[Part] = []
    exports = {
        "DATABASE_URL": _of_others(settings.database_url.get_secret_value(), secrets.postgres_password),
        "REDIS_URL": _of_others(settings.redis_url.get_secret_value(), secrets.redis_password),
    }
    if not exports["DATABASE_URL"]:
        server = Postgres(
            folder=home.postgres, port=free_port(), password=secrets.postgres_password, account=server_account()
        )
        server.initialise()
        found.append(parts.postgres_part(server, env))
        exports["DATABASE_URL"] = server.dsn()
    if not exports["REDIS_URL"]:
        broker = RedisServer(folder=home.redis, port=free_port(), password=secrets.redis_password)
        broker.prepare()
        found.append(parts.redis_part(broker, env))
        exports["REDIS_URL"] = broker.url()
    return found, exports


def _of_others(url: str, own_password: str) -> str:
    """Return a server's address; none for our own embedded one, told by its password.

    ``tuneyard env`` exports those, and in that shell the stack may be started again, on other ports.
    """
    return "" if url and urlsplit(url).password == own_password else url
