"""The stages from the command line, with the seed's own options: files that are there or not, folders, the doctor."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.contracts import JsonObject
from shared.db import stages as rows_db
from shared.db.stages import Decision, NewRow
from shared.pipelines.stages.contracts import as_json, row_id
from shared.pipelines.stages.sample import sample_rows
from shared.stack.process import ChildProcess
from tests.api.conftest import Front
from tests.support.command_line import CommandLine
from tests.support.fault_provider import FaultProvider
from tests.support.waiting import wait_until

Worker = Callable[..., ChildProcess]
STAGE = "synthesis_decision"
FILE = "train/datasets/stage_synthesis.jsonl"


@pytest.fixture
def provider() -> Iterator[FaultProvider]:
    with FaultProvider() as server:
        yield server


@pytest.fixture
def cli(front: Front, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(front.url, front.key(), monkeypatch, capsys)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def approve(front: Front, businesses: int) -> None:
    """Approve rows of the last stage."""
    rows = [row for row in sample_rows(businesses, seed=7) if row.stage == STAGE]
    new = [
        NewRow(
            id=row_id(row.stage, row.input, row.output), stage=row.stage, industry=row.industry,
            group_key=row.business, input=as_json(row.input), output=as_json(row.output),
        )
        for row in rows
    ]  # fmt: skip
    with front.database.transaction() as conn:
        rows_db.put_rows(conn, new, "import")
        rows_db.decide(conn, [Decision(id=row.id, approved=True, note="It is right.") for row in new], "Ada")


def result(cli: CommandLine, *arguments: str) -> JsonObject:
    found: JsonObject = cli("stages", *arguments, "--json").json["result"]
    return found


def test_the_seeds_manual_path(
    cli: CommandLine, front: Front, worker: Worker, provider: FaultProvider, place: Path
) -> None:
    worker("db")
    worker("finetune", OPENAI_BASE_URL=provider.url, OPENAI_API_KEY="sk-test")
    approve(front, 60)
    cli("stages", "build-datasets", "--approved-only", "--days", "30", "--stage", STAGE, "--out", "curated")
    file = place / "curated" / FILE
    assert len(file.read_text().splitlines()) == 60

    suffix = ("--suffix", "2ndmynd-synth-v1", "--base-model", "gpt-4.1-mini-2025-04-14")
    dry = result(cli, "finetune", "--stage", STAGE, "--dataset", str(file), *suffix, "--dry-run")
    assert dry["dry_run"]
    assert provider.requests == []
    (manifest,) = place.glob(f"train/finetune_runs/{STAGE}/*/run_manifest.json")
    told = json.loads(manifest.read_text())
    assert (told["base_model"], told["suffix"]) == ("gpt-4.1-mini-2025-04-14", "2ndmynd-synth-v1")
    assert (manifest.parent / "train_openai.jsonl").stat().st_size == told["training_file"]["bytes"]

    by_id = result(cli, "finetune", "--stage", STAGE, "--dataset", dry["dataset_id"], *suffix)
    assert by_id["metrics"] == dry["metrics"]

    cli("stages", "finetune", "--stage", STAGE, "--dataset", str(file), *suffix, "--live", "--no-wait")
    wait_until(lambda: provider.jobs, timeout=30)
    (remote,) = provider.jobs
    assert remote.id in cli("llm", "doctor", "--list").stdout
    assert "Created fine-tuning job" in cli("llm", "doctor", "--job-id", remote.id).stdout


def test_what_is_missing_is_said_with_what_to_do(cli: CommandLine) -> None:
    missing = cli("stages", "finetune", "--stage", STAGE, "--dataset", FILE, code=2)
    assert f"--dataset: there is no file {FILE}" in missing.stderr
    assert "as build-datasets writes them" in missing.stderr.replace("`", "")
    for command in ("ship", "evals"):
        wrong = cli("stages", command, "--stage", "synthesis", code=2).stderr
        assert "--stage: Input should be 'quant_signals', 'emyth_owner_load'," in wrong
        assert "'synthesis_decision' or 'all'" in wrong
        assert "literal" not in wrong
    assert "Missing option '--stage'" in cli("stages", "finetune", code=2).stderr
    assert "--live" in cli("stages", "finetune", "--help").stdout
    assert "--dry-run" in cli("stages", "ship", "--help").stdout


def test_the_api_takes_either_word_and_never_both(front: Front) -> None:
    with front.client() as client:
        for word in ("stage", "surface"):
            assert client.post("/v1/stages/freeze", json={word: STAGE}).status_code == 202
        assert client.post("/v1/stages/freeze", json={"stage": STAGE, "surface": STAGE}).status_code == 422
        assert client.post("/v1/stages/freeze", json={}).status_code == 422
