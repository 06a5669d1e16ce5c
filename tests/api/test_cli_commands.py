"""The command line as people and scripts use it, against the real front and a real worker."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from shared.db.pool import Database
from shared.stack.process import ChildProcess
from tests.api.conftest import Front
from tests.support import probe
from tests.support.command_line import CommandLine
from tests.support.processes import ROOT, ApiServer, Processes
from tests.support.waiting import wait_until

Worker = Callable[..., ChildProcess]

_SECONDS = 60
_NOBODY = "job_" + "0" * 32


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"TUNEYARD_PIPELINES": "tests.support.probe"}


@pytest.fixture(autouse=True)
def effects(database: Database) -> None:
    with database.transaction() as conn:
        conn.execute(probe.EFFECTS)


@pytest.fixture
def cli(front: Front, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(front.url, front.key(), monkeypatch, capsys)


def test_steps_run_to_their_end(cli: CommandLine, worker: Worker) -> None:
    worker("db")
    done = cli("probe", "effectful", "--value", "7", "--json").json
    assert (done["state"], done["result"]) == ("succeeded", {"value": 7})

    plain = cli("probe", "noop", "--value", "3")
    assert plain.stdout.split() == ["job", plain.stdout.split()[1], "value", "3"]
    assert "probe.noop succeeded" in plain.stderr

    refused = cli("probe", "refuse", code=5)
    assert "the probe refuses" in refused.stderr
    assert "there is nothing to be done" in refused.stderr


def test_a_flow_shows_its_steps(cli: CommandLine, worker: Worker) -> None:
    worker("db")
    flow = cli("probe", "chain", "--value", "2", "--json")
    assert flow.json["result"] == {"value": 1}
    assert flow.stderr.count("probe.effectful succeeded") == 2
    assert flow.stderr.count("probe.chain succeeded") == 1
    broken = cli("probe", "broken-chain", code=5)
    assert "probe.refuse failed" in broken.stderr


def test_jobs_are_listed_shown_cancelled_and_retried(cli: CommandLine, worker: Worker) -> None:
    first = cli("probe", "noop", "--no-wait").stdout.strip()
    second = cli("probe", "noop", "--value", "5", "--no-wait", "--json").json["id"]

    page = cli("jobs", "list", "--state", "queued", "--limit", "1", "--json").json
    assert [job["id"] for job in page["items"]] == [second]
    rest = cli("jobs", "list", "--state", "queued", "--cursor", page["next_cursor"], "--json").json
    assert [job["id"] for job in rest["items"]] == [first]
    listed = cli("jobs", "list", "--kind", "probe.noop", "--limit", "1")
    assert second in listed.stdout
    assert f"--cursor {second}" in listed.stderr

    assert "params.value" in cli("jobs", "show", second).stdout
    assert cli("jobs", "cancel", first).stdout == f"{first} is cancelled\n"
    cli("jobs", "follow", first, code=4)
    assert cli("jobs", "retry", first).stdout == f"{first} is queued\n"
    worker("db")
    assert cli("jobs", "follow", first, "--json").json["state"] == "succeeded"
    assert cli("jobs", "show", second, "--json").json["params"] == {"value": 5}


def test_the_same_idempotency_key_starts_one_job(cli: CommandLine) -> None:
    once = cli("probe", "noop", "--no-wait", "--idempotency-key", "k1").stdout
    assert cli("probe", "noop", "--no-wait", "--idempotency-key", "k1").stdout == once
    other = cli("probe", "noop", "--value", "2", "--no-wait", "--idempotency-key", "k1", code=2)
    assert other.stderr.startswith("error: ")


def test_what_cannot_be_done_says_so(cli: CommandLine) -> None:
    assert "--value" in cli("probe", "noop", "--value", "many", code=2).stderr
    assert "--path" in cli("probe", "hang", code=2).stderr
    cli("no-such-command", code=2)
    assert _NOBODY in cli("jobs", "show", _NOBODY, code=1).stderr
    cli("jobs", "show", "not-an-id", code=2)
    assert "API key" in cli("jobs", "list", code=1, TUNEYARD_KEY="ty_wrong").stderr


def test_an_api_that_is_not_there(cli: CommandLine) -> None:
    away = cli("jobs", "list", code=3, TUNEYARD_URL="http://127.0.0.1:9")
    assert "cannot reach the API at http://127.0.0.1:9" in away.stderr
    assert "tuneyard status" in away.stderr
    assert "tuneyard up" in cli("jobs", "list", code=3, TUNEYARD_URL="").stderr


def test_keys_are_shown_once_and_revoked(cli: CommandLine) -> None:
    created = cli("keys", "create", "nightly", "--scope", "submit", "--scope", "review", "--json").json
    assert created["key"].startswith("ty_")
    listed = cli("keys", "list", "--json").json["items"]
    mine = next(key for key in listed if key["id"] == created["id"])
    assert mine["scopes"] == ["review", "submit"]
    assert created["key"] not in json.dumps(listed)

    assert cli("probe", "noop", "--no-wait", TUNEYARD_KEY=created["key"]).stdout.startswith("job_")
    cli("keys", "list", code=1, TUNEYARD_KEY=created["key"])
    assert cli("keys", "revoke", created["id"]).stdout == f"{created['id']} (nightly) is revoked\n"
    cli("jobs", "list", code=1, TUNEYARD_KEY=created["key"])
    assert cli("keys", "create", "alone").stdout.startswith("ty_")


def test_help_version_and_completion(cli: CommandLine) -> None:
    page = cli("--help").stdout
    assert all(name in page for name in ("router", "jobs", "models", "lineage", "up", "status"))
    assert "--value" in cli("probe", "noop", "--help").stdout
    assert cli("--version").stdout.startswith("tuneyard ")
    completion = {"_TUNEYARD_COMPLETE": "complete_bash", "COMP_WORDS": "tuneyard router ", "COMP_CWORD": "2"}
    assert "retrain" in cli(code=0, **completion).stdout.split()


# --- in a process of its own: signals, and an API that is restarted -------------------------------------------------


@pytest.fixture
def server(api_server: Callable[..., ApiServer]) -> ApiServer:
    return api_server()


class _Background:
    """``tuneyard`` in a process of its own."""

    def __init__(self, server: ApiServer, environment: dict[str, str], folder: Path, *arguments: str) -> None:
        self._log = folder / "stderr"
        with self._log.open("w") as stderr:
            self.process = subprocess.Popen(
                # As at a terminal: who runs in a shell's background ignores Ctrl-C, and so would its children
                ["env", "--default-signal=INT", sys.executable, "-m", "api.cli", *arguments],
                env=environment | {"TUNEYARD_URL": server.url, "TUNEYARD_KEY": server.key},
                cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True,
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    @property
    def stderr(self) -> str:
        return self._log.read_text()

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.stderr, timeout=_SECONDS)

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what was printed."""
        stdout, _ = self.process.communicate(timeout=_SECONDS)
        return self.process.returncode, stdout


def test_following_goes_on_when_the_api_comes_back(
    server: ApiServer, processes: Processes, worker: Worker, environment: dict[str, str], tmp_path: Path
) -> None:
    worker("db")
    go = tmp_path / "go"
    with _Background(server, environment, tmp_path, "probe", "hang", "--path", str(go), "--json") as command:
        command.wait_for("hanging")
        server.process.kill()
        processes.python("-m", "api", API_PORT=str(server.port))
        go.touch()
        code, stdout = command.end()
    assert code == 0
    assert json.loads(stdout)["state"] == "succeeded"
    assert command.stderr.count("probe.hang running") == 1


def test_ctrl_c_leaves_the_job_running(
    server: ApiServer, worker: Worker, environment: dict[str, str], tmp_path: Path
) -> None:
    worker("db")
    go = tmp_path / "go"
    with _Background(server, environment, tmp_path, "probe", "hang", "--path", str(go)) as command:
        command.wait_for("hanging")
        command.process.send_signal(signal.SIGINT)
        code, _ = command.end()
    assert code == 130
    assert "tuneyard jobs follow job_" in command.stderr
    with server.client() as client:
        (job,) = client.get("/v1/jobs", params={"kind": "probe.hang"}).json()["items"]
        assert job["state"] == "running"
        go.touch()
        wait_until(lambda: client.get(f"/v1/jobs/{job['id']}").json()["state"] == "succeeded")


@pytest.mark.parametrize("arguments", [("jobs", "list"), ("router", "retrain", "--help")])
def test_a_command_loads_only_what_it_needs(environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    script = (
        f"import sys; sys.argv = {['tuneyard', *arguments]}\nfrom api.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = set(done.stderr.split())
    assert "api.cli" in loaded
    assert not loaded & {
        "numpy",
        "sklearn",
        "nltk",
        "fastapi",
        "celery",
        "kombu",
        "redis",
        "boto3",
        "shared.stack.supervisor",
    }
