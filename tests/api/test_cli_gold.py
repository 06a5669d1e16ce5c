"""Gold's data from the command line, as seed 000 has it: reports in, drafts out, decisions in, a named set."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.contracts import Scope
from shared.stack.process import ChildProcess
from tests.api.conftest import Front
from tests.support.command_line import CommandLine

Worker = Callable[..., ChildProcess]


@pytest.fixture
def cli(front: Front, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(front.url, front.key(), monkeypatch, capsys)


def _reports(folder: Path) -> list[str]:
    return [part for name in ("quotes", "invoices", "jobs") for part in (f"--{name}", str(folder / f"{name}.csv"))]


def test_sample_reports_are_the_same_for_the_same_seed(cli: CommandLine, tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        cli("gold", "make-sample", str(tmp_path / name), "--weeks", "20", "--seed", seed)
    first, again, other = (
        [(tmp_path / folder / f"{name}.csv").read_bytes() for name in ("quotes", "invoices", "jobs")]
        for folder in "abc"
    )
    assert first == again
    assert first != other
    cli("gold", "make-sample", code=2)


def test_from_reports_to_a_named_set(cli: CommandLine, worker: Worker, tmp_path: Path) -> None:
    worker("db")
    sample, review = tmp_path / "sample", tmp_path / "ml_review"
    cli("gold", "make-sample", str(sample))
    seeded = cli("gold", "reseed", *_reports(sample), "--json").json["result"]
    assert seeded["examples"] >= 150

    assert "drafts.json" in cli("gold", "export-drafts", "--folder", str(review)).stdout
    drafts = review / "drafts.json"
    untouched = cli("gold", "import-gold", "--file", str(drafts), code=5)
    assert "decision is missing" in untouched.stderr
    assert "--skip-untouched" in untouched.stderr
    cli("gold", "make-sample", "--answer", str(drafts), "--share", "0.7")
    approved = cli("gold", "import-gold", "--file", str(drafts), "--skip-untouched", "--json").json["result"]
    assert approved["approved"] > 100
    assert cli("gold", "freeze-train", "--json").json["result"]["name"] == "train_v1"
    assert cli("gold", "freeze-eval", "--json").json["result"]["name"] == "eval_v1"
    cli("gold", "autofill")
    final = cli("gold", "finalize-train", "--include-machine", "--json").json["result"]["freeze"]
    assert (final["name"], final["matched"]) == ("train_v2", True)

    rebuilt = cli(
        "gold", "rebuild-train", *_reports(sample), "--drafts", str(drafts), "--folder", str(review), "--json"
    )
    assert rebuilt.json["result"]["freeze"]["name"] == "train_v2", "nothing changed, so nothing new was frozen"
    assert json.loads(drafts.read_text()) == [], "nobody waits for a decision"
    swapped = cli("gold", "reseed", "--quotes", str(sample / "jobs.csv"), code=5)
    assert "this is a jobs report" in swapped.stderr


def test_only_a_reviewer_approves(
    front: Front, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = CommandLine(front.url, front.key(Scope.SUBMIT), monkeypatch, capsys)
    for step in ("approve", "finalize-train", "rebuild-train"):
        assert "review" in cli("gold", step, code=1).stderr
