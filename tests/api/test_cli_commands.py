"""The command line as people and scripts use it: a process of its own, against the real front and a real worker."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.db.pool import Database
from shared.stack.process import ChildProcess
from tests.support import probe
from tests.support.processes import ROOT, ApiServer, Processes
from tests.support.waiting import wait_until

Cli = Callable[..., subprocess.CompletedProcess[str]]

_SECONDS = 60


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"TUNEYARD_PIPELINES": "tests.support.probe"}


@pytest.fixture
def server(api_server: Callable[..., ApiServer], database: Database) -> ApiServer:
    with database.transaction() as conn:
        conn.execute(probe.EFFECTS)
    return api_server()


@pytest.fixture
def cli(server: ApiServer, environment: dict[str, str]) -> Cli:
    """Run ``tuneyard`` with these arguments; ``code`` is the exit code it must have."""

    def run(*arguments: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "api.cli", *arguments],
            env=environment | {"TUNEYARD_URL": server.url, "TUNEYARD_KEY": server.key} | env,
            cwd=ROOT, capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


def _json(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)


def test_steps_run_to_their_end(cli: Cli, worker: Callable[..., ChildProcess]) -> None:
    worker("db")
    done = _json(cli("probe", "effectful", "--value", "7", "--json"))
    assert (done["state"], done["result"]) == ("succeeded", {"value": 7})

    plain = cli("probe", "noop", "--value", "3")
    assert "value" in plain.stdout
    assert "3" in plain.stdout
    assert "probe.noop succeeded" in plain.stderr

    # a flow shows its steps too, and ends with its own result
    flow = cli("probe", "chain", "--value", "2", "--json")
    assert _json(flow)["result"] == {"value": 1}
    assert flow.stderr.count("probe.effectful succeeded") == 2
    assert flow.stderr.count("probe.chain succeeded") == 1

    refused = cli("probe", "refuse", code=5)
    assert "the probe refuses" in refused.stderr
    assert "there is nothing to be done" in refused.stderr
    cli("probe", "broken-chain", code=5)


def test_jobs_are_listed_shown_cancelled_and_retried(cli: Cli, worker: Callable[..., ChildProcess]) -> None:
    first = cli("probe", "noop", "--no-wait").stdout.strip()
    second = _json(cli("probe", "noop", "--value", "5", "--no-wait", "--json"))["id"]

    page = _json(cli("jobs", "list", "--state", "queued", "--limit", "1", "--json"))
    assert [job["id"] for job in page["items"]] == [second]
    rest = _json(cli("jobs", "list", "--state", "queued", "--cursor", page["next_cursor"], "--json"))
    assert [job["id"] for job in rest["items"]] == [first]
    listed = cli("jobs", "list", "--kind", "probe.noop", "--limit", "1")
    assert second in listed.stdout
    assert "--cursor" in listed.stderr

    assert "value" in cli("jobs", "show", second).stdout
    assert "is cancelled" in cli("jobs", "cancel", first).stdout
    cli("jobs", "follow", first, code=4)
    assert "is queued" in cli("jobs", "retry", first).stdout
    worker("db")
    assert _json(cli("jobs", "follow", first, "--json"))["state"] == "succeeded"
    assert _json(cli("jobs", "show", second, "--json"))["params"] == {"value": 5}


def test_the_same_idempotency_key_starts_one_job(cli: Cli) -> None:
    once = cli("probe", "noop", "--no-wait", "--idempotency-key", "k1").stdout
    assert cli("probe", "noop", "--no-wait", "--idempotency-key", "k1").stdout == once
    other = cli("probe", "noop", "--value", "2", "--no-wait", "--idempotency-key", "k1", code=2)
    assert other.stderr.startswith("error: ")


def test_what_cannot_be_done_says_so(cli: Cli, server: ApiServer) -> None:
    assert "--value" in cli("probe", "noop", "--value", "many", code=2).stderr
    assert "--path" in cli("probe", "hang", code=2).stderr
    cli("no-such-command", code=2)
    nobody = "job_" + "0" * 32
    assert nobody in cli("jobs", "show", nobody, code=1).stderr
    cli("jobs", "show", "not-an-id", code=2)
    assert "error: " in cli("jobs", "list", code=1, TUNEYARD_KEY="ty_wrong").stderr
    away = cli("jobs", "list", code=3, TUNEYARD_URL="http://127.0.0.1:9")
    assert "cannot reach the API at http://127.0.0.1:9" in away.stderr
    assert "tuneyard status" in away.stderr
    assert "tuneyard up" in cli("jobs", "list", code=3, TUNEYARD_URL="").stderr


def test_keys_are_shown_once_and_revoked(cli: Cli) -> None:
    created = _json(cli("keys", "create", "nightly", "--scope", "submit", "--scope", "review", "--json"))
    assert created["key"].startswith("ty_")
    listed = _json(cli("keys", "list", "--json"))["items"]
    mine = next(key for key in listed if key["id"] == created["id"])
    assert mine["scopes"] == ["review", "submit"]
    assert created["key"] not in json.dumps(listed)

    assert cli("probe", "noop", "--no-wait", TUNEYARD_KEY=created["key"]).stdout.startswith("job_")
    cli("keys", "list", code=1, TUNEYARD_KEY=created["key"])
    assert "is revoked" in cli("keys", "revoke", created["id"]).stdout
    assert cli("keys", "create", "alone").stdout.startswith("ty_")


@pytest.fixture
def follower(server: ApiServer, environment: dict[str, str], tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Start ``tuneyard`` in the background."""

    def start(*arguments: str) -> "subprocess.Popen[str]":
        with (tmp_path / "stderr").open("w") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", "api.cli", *arguments],
                env=environment | {"TUNEYARD_URL": server.url, "TUNEYARD_KEY": server.key},
                cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True,
            )  # fmt: skip

    return start


def test_following_goes_on_when_the_api_comes_back(
    server: ApiServer,
    processes: Processes,
    worker: Callable[..., ChildProcess],
    follower: Callable[..., "subprocess.Popen[str]"],
    tmp_path: Path,
) -> None:
    worker("db")
    go = tmp_path / "go"
    with follower("probe", "hang", "--path", str(go), "--json") as command:
        wait_until(lambda: "hanging" in (tmp_path / "stderr").read_text(), timeout=_SECONDS)
        server.process.kill()
        processes.python("-m", "api", API_PORT=str(server.port))
        go.touch()
        stdout, _ = command.communicate(timeout=_SECONDS)
    assert command.returncode == 0
    assert json.loads(stdout)["state"] == "succeeded"
    assert (tmp_path / "stderr").read_text().count("probe.hang running") == 1


def test_ctrl_c_leaves_the_job_running(
    cli: Cli, worker: Callable[..., ChildProcess], follower: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    worker("db")
    go = tmp_path / "go"
    with follower("probe", "hang", "--path", str(go)) as command:
        wait_until(lambda: "hanging" in (tmp_path / "stderr").read_text(), timeout=_SECONDS)
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=_SECONDS)
    assert command.returncode == 130
    assert "tuneyard jobs follow job_" in (tmp_path / "stderr").read_text()
    job = _json(cli("jobs", "list", "--kind", "probe.hang", "--json"))["items"][0]
    assert job["state"] == "running"
    go.touch()
    cli("jobs", "follow", job["id"])
