"""Dedup on real processes with our own trainer: the seed's commands as they stand, up to an active model."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from shared.db.pool import Database
from shared.settings import Settings
from shared.stack.process import ChildProcess
from tests.shared.pipelines.dedup import seed
from tests.shared.pipelines.dedup.desk import Desk
from tests.support.leaks import in_logs, in_redis, in_tables
from tests.support.processes import ApiServer
from tests.support.waiting import wait_until

CLUSTERS = 130
CANARIES = ("Wilhelmina Quackenbush", "wilhelmina@canary.example", "+1-555-0142")
# What people wrote is where it belongs; nothing else may hold it.
THEIR_PLACE = frozenset({"insights", "incoming_statements", "merged_statements"})
TRAINED_S = 90


@dataclass(frozen=True)
class Shell:
    """A shell in which the seed's lines are typed as they stand: port and key come by curl's own configuration."""

    folder: Path
    server: str
    key: str

    def type(self, line: str) -> Any:
        """Run a line; return what it printed, or wrote into the file that it names, as JSON if it is."""
        port = urlsplit(self.server).port
        (self.folder / ".curlrc").write_text(
            f'connect-to = "localhost:3000:127.0.0.1:{port}"\nheader = "Authorization: Bearer {self.key}"\n'
            'noproxy = "*"\nsilent\nmax-time = 60\n'
        )
        environment = {"PATH": os.environ["PATH"], "CURL_HOME": str(self.folder), "HOME": str(self.folder)}
        done = subprocess.run(
            ["/bin/bash", "-c", f"{line}\nwait"], cwd=self.folder, env=environment, capture_output=True, text=True,
            check=True, timeout=90,
        )  # fmt: skip
        return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()


@pytest.fixture
def server(
    api_server: Callable[..., ApiServer], worker: Callable[..., ChildProcess], api_key: str, settings: Settings
) -> ApiServer:
    """A front and all workers; the finetune worker's provider is the front's own API."""
    server = api_server()
    for queue in ("db", "gpu", "inference", "sweeps", "beat"):
        worker(queue, SWEEP_SECONDS="0.5")
    worker("finetune", TUNEYARD_URL=server.url, TUNEYARD_KEY=api_key, LLM_SWEEP_SECONDS="0.5", SWEEP_SECONDS="0.5")
    return server


def decide(desk: Desk) -> None:
    """Let a person decide pairs that look alike: what is denied is another thing."""
    for number in range(CLUSTERS):
        whose = f"{CANARIES[0]} ({CANARIES[1]}, {CANARIES[2]})" if number % 13 == 0 else "the interviews"
        thing = f"Topic {number} of {whose} matters to customers"
        approve = number % 2 == 0
        cluster = desk.cluster(thing, f"{thing} indeed" if approve else f"{thing} never")
        desk.decide(cluster, "approve" if approve else "reject")


@pytest.mark.slow(20)
@pytest.mark.timeout(240)
def test_the_seeds_commands_lead_from_decisions_to_an_active_model(
    server: ApiServer, database: Database, api_key: str, redis_url: str, tmp_path: Path
) -> None:
    desk, shell = Desk(database), Shell(tmp_path, server.url, api_key)
    decide(desk)
    _exports(shell)
    created = shell.type(seed.FINE_TUNE)
    assert created.get("success"), created
    assert created["modelVersion"] == 1
    assert created["fineTuneJobId"].startswith("ftjob-")
    assert created["trainingFileId"].startswith("file-")
    half = CLUSTERS // 2
    assert created["trainingDataStats"] == {"approved_merges": half, "rejected_clusters": half, "partial_merges": 0}
    assert created["message"].startswith("Fine-tuning job created. Monitor progress at: ")
    trained = _watched(shell, created["fineTuneJobId"])
    assert (trained["status"], trained["modelVersion"], trained["error"]) == ("succeeded", 1, None)
    assert shell.type(seed.FINE_TUNE_STATUS)["status"] == 404
    assert shell.type(seed.ACTIVATE)["code"] == "not-found"
    with server.client() as client:
        _evaluated(client, created["jobId"])
        _activates(shell, trained["modelId"])
        _answers(client, desk)
        _deactivates(shell, trained["modelId"])
        pages = (
            "/metrics",
            "/v1/jobs",
            "/v1/models",
            "/v1/datasets",
            "/v1/predictions",
            "/v1/promotions",
            "/v1/alerts",
        )
        places = {page: client.get(page).raise_for_status().text for page in pages}
    places |= in_tables(database, besides=THEIR_PLACE) | in_logs(tmp_path / "logs") | {"redis": in_redis(redis_url)}
    places["the export"] = shell.read("training-data.jsonl")
    assert [(place, word) for place, text in places.items() for word in CANARIES if word in text] == []
    assert "[name 1]" in places["the export"]


def _exports(shell: Shell) -> None:
    """Type both exports. In the second the shell takes what follows the ``&`` for a command of its own."""
    assert shell.type(seed.EXPORT_JSONL) == ""
    lines = shell.read("training-data.jsonl").splitlines()
    assert {len(json.loads(line)["messages"]) for line in lines} == {3}
    examples = shell.type(seed.EXPORT_JSON)["examples"]
    assert shell.read("training-data.json") == ""
    assert sum(each["split"] == "train" for each in examples) == len(lines)
    assert len(examples) == CLUSTERS


def _watched(shell: Shell, job_id: str) -> dict[str, Any]:
    line = seed.FINE_TUNE_STATUS.replace("ftjob-abc123...", job_id)
    seen = set()

    def ended() -> dict[str, Any] | None:
        told: dict[str, Any] = shell.type(line)
        seen.add(told["status"])
        return told if told["status"] in {"succeeded", "failed"} else None

    found = wait_until(ended, timeout=TRAINED_S, message="the fine-tune did not end")
    assert seen <= {"validating_files", "queued", "running", "succeeded"}
    return found


def _evaluated(client: httpx.Client, job_id: str) -> None:
    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
        return job if job["state"] in {"succeeded", "failed"} else None

    job = wait_until(ended, timeout=TRAINED_S, message="the flow did not end")
    assert job["state"] == "succeeded", job["error"]
    assert job["result"]["passed"], job["result"]["verdicts"]


def _activates(shell: Shell, model_id: str) -> None:
    changed = shell.type(seed.ACTIVATE.replace("model-uuid-from-database", model_id))
    assert (changed["success"], changed["isActive"]) == (True, True), changed
    status = shell.type(seed.MODEL_STATUS)
    assert (status["activeModel"]["id"], status["activeModel"]["version"]) == (model_id, 1)
    assert status["activeModel"]["metrics"]["accuracy"] > 0.9
    assert not status["autoMode"]["allowed"], "some twenty held-out pairs do not show 90 % for sure"


def _answers(client: httpx.Client, desk: Desk) -> None:
    """Ask the active model about pairs that nobody decided."""
    new = "Topic 999 of the interviews matters to customers"
    pairs = [{"a": new, "b": f"{new} indeed", "similarity": 0.9}, {"a": new, "b": f"{new} never", "similarity": 0.9}]
    merge, separate = (
        client.post("/v1/dedup/predict-pair", json=pair, headers={"Prefer": "wait=30"}).json()["result"]["predictions"][
            0
        ]
        for pair in pairs
    )
    assert (merge["should_merge"], separate["should_merge"]) == (True, False)
    assert {merge["path"], separate["path"]} == {"model"}
    assert desk.rows("SELECT count(*) FROM model_predictions WHERE model_id IS NOT NULL") == [(2,)]
    assert desk.rows(seed.ACCURACY) == [(0, None, None)]


def _deactivates(shell: Shell, model_id: str) -> None:
    line = seed.ACTIVATE.replace("model-uuid-from-database", model_id).replace('"activate"', '"deactivate"')
    assert not shell.type(line)["isActive"]
    assert shell.type(seed.MODEL_STATUS)["activeModel"] is None
    again = shell.type(line)
    assert (again["status"], again["code"]) == (409, "not-deactivated")
