"""The browser of the tests: Debian's chromium, installed once where that is possible.

``python -m tests.support.chromium`` installs it, and says nothing when it is there.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_INSTALL: Final = ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium")
_UPDATE: Final = ("apt-get", "update", "--quiet")
_SECONDS: Final = 600
_TOLD_CHARACTERS: Final = 500


class NoBrowserError(Exception):
    """There is no browser here, and none can be installed: the message says why."""


def chromium() -> Path:
    """Return the browser's program, and install it first if need be. Raises NoBrowserError."""
    found = _found()
    if found is None:
        _install()
        found = _found()
    if found is None:
        raise NoBrowserError("chromium was installed, but its program is not on the PATH")
    return found


def _found() -> Path | None:
    programs = (shutil.which(name) for name in _NAMES)
    return next((Path(program) for program in programs if program), None)


def _install() -> None:
    if not shutil.which("apt-get"):
        raise NoBrowserError("there is no chromium here, and no apt-get that could install it")
    if os.geteuid() != 0:
        raise NoBrowserError("there is no chromium here, and only root may install it: apt-get install chromium")
    with (Path(tempfile.gettempdir()) / "tuneyard-chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several test processes one installs, the others wait
        if _found() is None and _run(_INSTALL).returncode:  # a machine that never asked has no lists of packages
            _run(_UPDATE)
            done = _run(_INSTALL)
            if done.returncode:
                raise NoBrowserError(f"chromium cannot be installed: {done.stderr.strip()[-_TOLD_CHARACTERS:]}")


def _run(command: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise NoBrowserError(f"{' '.join(command)} took longer than {_SECONDS} s") from error


def must_be_there() -> bool:
    """Tell whether tests without a browser are a fault: in CI they are, elsewhere they are skipped with the reason."""
    return bool(os.environ.get("CI"))


def main() -> None:
    """Install the browser. Where it cannot be had, say so; exits with 1 in CI."""
    try:
        chromium()
    except NoBrowserError as error:
        print(f"the browser tests cannot run: {error}", file=sys.stderr)  # noqa: T201  (a command's output)
        raise SystemExit(int(must_be_there())) from None


if __name__ == "__main__":
    main()
