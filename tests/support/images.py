"""What an image holds, on this machine: a fresh environment with one target's libraries and our wheel, no others.

Libraries come from uv's cache, which `make install` has filled: in the versions and with the hashes of the lock, and
without a network. Which ones they are is worked out here, from the same two files that the Dockerfile uses.
"""

import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.processes import ROOT

_UV: Final = Path(sys.executable).with_name("uv")


def libraries(extras: Iterable[str]) -> frozenset[str]:
    """Return the names of all libraries that Tuneyard with these extras needs, those of libraries included."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = settings["project"]
    wanted = [*project["dependencies"], *(r for e in extras for r in project["optional-dependencies"][e])]
    found: set[tuple[str, str]] = set()
    told = {entry["name"]: entry["requires-dist"] for entry in settings["tool"]["uv"]["dependency-metadata"]}
    _collect([Requirement(text) for text in wanted], "", found, told)
    return frozenset(name for name, _ in found)


def _collect(
    requirements: Iterable[Requirement], extra: str, found: set[tuple[str, str]], told: Mapping[str, list[str]]
) -> None:
    """Collect libraries, and what they need: ``told`` goes before what their own metadata say, as it does for uv."""
    for requirement in requirements:
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in found:
                found.add((name, wanted))
                needed = told[name] if name in told else metadata.requires(name) or ()
                _collect([Requirement(r) for r in needed], wanted, found, told)


def locked(names: Iterable[str]) -> str:
    """Return the lock's lines, versions and hashes, of these libraries.

    One library may have several, each with a marker that says where it holds. Raises KeyError for a library without.
    """
    blocks: dict[str, list[str]] = defaultdict(list)
    for block in re.split(r"^(?=\S)", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE):
        blocks[canonicalize_name(block.partition("==")[0])].append(block)
    return "".join("".join(dict(blocks)[name]) for name in sorted(names))


class Images:
    """Makes environments, each once in a run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[frozenset[str], Path] = {}
        arguments = ["--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable]
        _uv("build", *arguments, "--out-dir", str(folder / "dist"), str(ROOT))
        (self.wheel,) = (folder / "dist").glob("*.whl")

    def environment(self, extras: frozenset[str]) -> Path:
        """Return the environment with these extras. Skips the test where uv's cache has not all of it."""
        if extras not in self._made:
            self._made[extras] = self._make(extras)
        return self._made[extras]

    def _make(self, extras: frozenset[str]) -> Path:
        folder = self._folder / "-".join(["core", *sorted(extras)])
        subset = folder.with_suffix(".txt")
        subset.write_text(locked(libraries(extras)))
        _uv("venv", "--quiet", "--python", sys.executable, str(folder))
        install = ("pip", "install", "--quiet", "--no-deps", "--python", str(folder / "bin" / "python"))
        try:
            _uv(*install, "--require-hashes", "--requirement", str(subset))
        except subprocess.CalledProcessError as error:
            if "network was disabled" in error.stderr:
                pytest.skip("uv's cache was emptied after `make install`: nothing to install from")
            raise
        _uv(*install, str(self.wheel))
        return folder


def _uv(*arguments: str) -> None:
    try:
        subprocess.run([str(_UV), "--offline", *arguments], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        error.add_note(error.stderr)
        raise
