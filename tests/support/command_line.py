"""``tuneyard`` in the test's own process: the same entry point and exit codes, without the time to start Python."""

import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from api.cli import main
from shared.settings import get_settings


@dataclass(frozen=True)
class Ran:
    """What a command printed."""

    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


@dataclass(frozen=True)
class CommandLine:
    """Runs commands against an API. ``code`` is the exit code that a command must have."""

    url: str
    key: str
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, code: int = 0, **env: str) -> Ran:
        with self.monkeypatch.context() as patched:
            patched.setattr(sys, "argv", ["tuneyard", *arguments])
            wide = {"COLUMNS": "250"}  # no table is squeezed
            for name, value in {"TUNEYARD_URL": self.url, "TUNEYARD_KEY": self.key, **wide, **env}.items():
                patched.setenv(name, value)
            get_settings.cache_clear()
            with pytest.raises(SystemExit) as ended:
                main()
        get_settings.cache_clear()
        ran = Ran(*self.capsys.readouterr())
        assert (ended.value.code or 0) == code, (
            f"{arguments} exited with {ended.value.code}\n{ran.stdout}\n{ran.stderr}"
        )
        return ran
