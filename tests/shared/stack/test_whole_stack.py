"""The stack as a user meets it: ``tuneyard up --detach``, ``status``, ``env``, ``down``, on nothing but a folder."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from shared.stack.home import Home
from shared.stack.parts import COMMANDS
from shared.stack.ports import free_port
from shared.stack.postgres import Postgres, server_account
from shared.stack.state import current
from tests.support.processes import ROOT
from tests.support.servers import PostgresProcess
from tests.support.waiting import wait_until

Tuneyard = Callable[..., str]


@pytest.fixture
def home(server_folder: Path) -> Home:
    return Home(server_folder / "home")


@pytest.fixture
def tuneyard(home: Home) -> Iterator[Tuneyard]:
    """Run the command line on a folder of the test's own; return its standard output."""
    env = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    env |= {"TUNEYARD_HOME": str(home.folder), "API_PORT": str(free_port()), "FLOWER_PORT": str(free_port())}

    def run(*arguments: str, expect: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "api.cli", *arguments],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expect, done.stderr
        return done.stdout

    yield run
    run("down")


def parse_exports(text: str) -> dict[str, str]:
    """Let a shell read the export lines, as a script does."""
    script = f'{text}\nexec "$0" -c "import json, os; print(json.dumps(dict(os.environ)))"'
    done = subprocess.run(["sh", "-c", script, sys.executable], env={}, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


@pytest.mark.slow(40)
@pytest.mark.timeout(300)
def test_up_status_env_down(tuneyard: Tuneyard, home: Home) -> None:
    welcome = tuneyard("up", "--detach")
    secrets = home.secrets()
    assert secrets.api_key in welcome  # shown this once

    status = json.loads(tuneyard("status", "--json"))
    assert {part["name"] for part in status["parts"]} == {"postgres", "redis", *COMMANDS}
    assert {part["health"] for part in status["parts"]} == {"ok", "done"}
    assert set(status["queues"]) == {"db", "gpu", "finetune", "inference", "sweeps"}

    exports = parse_exports(tuneyard("env"))
    check_api(exports)
    check_flower(exports, secrets.flower_password)
    assert secrets.api_key not in tuneyard("up", "--detach")  # it runs already: nothing happens

    tuneyard("down")
    assert current(home) is None
    tuneyard("status", expect=3)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(exports["DATABASE_URL"])


def check_api(exports: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {exports['TUNEYARD_KEY']}"}
    with httpx.Client(base_url=exports["TUNEYARD_URL"], trust_env=False, timeout=10) as client:
        assert client.get("/readyz").status_code == 200
        assert client.get("/v1/jobs").status_code == 401
        assert client.get("/v1/jobs", headers=headers).json()["items"] == []


def check_flower(exports: dict[str, str], password: str) -> None:
    with httpx.Client(base_url=exports["FLOWER_URL"], trust_env=False, timeout=10) as client:
        assert client.get("/flower/").status_code == 401
        assert client.get("/flower/", auth=("tuneyard", password)).status_code == 200
    with httpx.Client(base_url=exports["TUNEYARD_URL"], trust_env=False, timeout=20) as person:
        assert person.get("/flower/").headers["location"] == "/sign-in?to=/flower/"
        assert person.post("/sign-in", data={"key": exports["TUNEYARD_KEY"]}).status_code == 303
        assert "js/flower.js" in person.get("/flower/").text


def test_a_stale_pid_file_of_postgres_does_not_block_its_start(server_folder: Path, home: Home) -> None:
    """The pid in it belongs to another process by now, and one of the very account that the server runs as."""
    from shared.stack.leftovers import free_data_folder

    home.prepare()
    server = Postgres(folder=home.postgres, port=free_port(), password="secret", account=server_account())
    server.initialise(sync=False)
    running = PostgresProcess(server)
    running.start()
    stale = (home.postgres / "postmaster.pid").read_text()
    running.kill()
    other = PostgresProcess.create(server_folder / "other")
    other.start()
    other_pid = (other.server.folder / "postmaster.pid").read_text().split()[0]
    (home.postgres / "postmaster.pid").write_text(stale.replace(stale.split()[0], other_pid, 1))

    free_data_folder(home.postgres)
    running.start()
    assert other.server.is_ready()
    wait_until(server.is_ready)
    running.discard()
    other.discard()
