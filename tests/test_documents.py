"""The written documents say what is so: links lead somewhere, commands exist, requests exist, and pages run."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from pydantic import SecretStr

from api.app import create_app
from api.cli import app as cli
from shared.settings import Settings
from shared.stack.process import ChildProcess
from tests.support.documents import WRITTEN, anchors, commands, links, requests, shell_blocks
from tests.support.processes import ROOT, ApiServer
from tests.support.waiting import wait_until

NAMES = [path.relative_to(ROOT).as_posix() for path in WRITTEN]
Workers = Callable[..., list[ChildProcess]]

# The pages that are run, and the workers that their commands need.
_WORKERS = {
    "README.md": ("db", "inference", "gpu", "finetune", "sweeps", "beat"),
    "docs/api.md": ("db", "inference"),
}


@pytest.mark.parametrize("document", WRITTEN, ids=NAMES)
def test_links_lead_somewhere(document: Path) -> None:
    for link in links(document):
        file, _, anchor = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", WRITTEN, ids=NAMES)
def test_commands_exist(document: Path) -> None:
    root: Any = typer.main.get_command(cli)
    for words in commands(document):
        if words[0] == "priority":  # the pipeline that docs/adding-a-pipeline.md builds: see its own test
            continue
        command, parent = root, typer.Context(root)
        for word in words:
            if not hasattr(command, "get_command") or word.isupper() or word in {"[OPTIONS]", "…"}:
                break
            command = command.get_command(parent, word)
            assert command is not None, f"tuneyard {' '.join(words)}"
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        used = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z-]+(=.*)?", word)}
        assert used <= known | {"--help", "--version"}, f"tuneyard {' '.join(words)}"


@pytest.fixture(scope="module")
def known() -> set[tuple[str, str]]:
    """All requests that the front takes, which need no servers to be known."""
    settings = Settings(database_url=SecretStr("postgresql://nowhere/db"), redis_url=SecretStr("redis://nowhere/0"))
    paths = create_app(settings).openapi()["paths"]
    known = {(method.upper(), re.sub(r"\{\w+\}", "{}", path)) for path, how in paths.items() for method in how}
    return known | {("GET", "/openapi.json")}


@pytest.mark.parametrize("document", WRITTEN, ids=NAMES)
def test_requests_exist(document: Path, known: set[tuple[str, str]]) -> None:
    for method, path in requests(document):
        alike = [template for takes, template in known if takes == method and _fits(path, template)]
        assert alike, f"{method} {path}"


def _fits(path: str, template: str) -> bool:
    """Whether a path is one of a template's: ``{}`` there stands for one part, which may be written out in the path."""
    return re.fullmatch(re.escape(template).replace(r"\{\}", "[^/]+"), path) is not None


@pytest.fixture
def shell(
    request: pytest.FixtureRequest,
    api_server: Callable[..., ApiServer],
    workers: Workers,
    environment: dict[str, str],
    tmp_path: Path,
) -> "Callable[[str], None]":
    """Run a block of shell as a reader would, with the ids that its variables stand for."""
    server = api_server()
    needed = _WORKERS[request.getfixturevalue("name")]
    workers(*needed, SWEEP_SECONDS="1", TUNEYARD_URL=server.url, TUNEYARD_KEY=server.key)
    folder = tmp_path / "reader"
    folder.mkdir()
    env = environment | {
        "TUNEYARD_URL": server.url,
        "TUNEYARD_KEY": server.key,
        "auth": f"Authorization: Bearer {server.key}",
        "json": "Content-Type: application/json",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    prelude = """
        curl() { command curl --silent --show-error --fail-with-body "$@"; }
        tuneyard() { [ "$1" = env ] || command tuneyard "$@"; }
        export PS4='$ '; set -euxo pipefail
    """

    def run(block: str) -> None:
        with server.client() as client:
            given = wait_until(lambda: _with_ids(env, client, block))
        done = subprocess.run(
            ["bash", "-c", prelude + block], cwd=folder, env=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stderr}\n{done.stdout}"

    return run


def _with_ids(env: dict[str, str], client: httpx.Client, block: str) -> dict[str, str] | None:
    """Add an id for each variable that the block takes as given; None: there is none yet (answers come in bulk)."""
    lists: dict[str, tuple[str, int, dict[str, str]]] = {
        "job": ("/v1/jobs", 0, {"kind": "router.freeze"}),
        "flow": ("/v1/jobs", 0, {"kind": "router.retrain"}),
        "model": ("/v1/models", 0, {"state": "active"}),
        "dataset": ("/v1/datasets", 0, {}),
        "other": ("/v1/datasets", 1, {}),
        "query": ("/v1/predictions", 0, {}),
    }
    found = dict(env)
    for name, (path, which, query) in lists.items():
        if f"${name}" in block and f"{name}=" not in block:
            items = client.get(path, params=query).json()["items"]
            if len(items) <= which:
                return None
            found[name] = str(items[which]["id"])
    return found


@pytest.mark.slow(50)
@pytest.mark.timeout(300)  # two retrainings, on however busy a machine
@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("name", _WORKERS)
def test_every_block_of_the_page_runs(name: str, shell: Callable[[str], None]) -> None:
    for block in shell_blocks(ROOT / name):
        shell(block)
