"""Files of commands: a path is sent, a result's files are written, and nobody's work is lost on the way."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.db.pool import Database
from shared.stack.process import ChildProcess
from tests.api.conftest import Front
from tests.support import probe
from tests.support.command_line import CommandLine

Worker = Callable[..., ChildProcess]
_LINE = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"TUNEYARD_PIPELINES": "tests.support.probe"}


@pytest.fixture
def cli(front: Front, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(front.url, front.key(), monkeypatch, capsys)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Database) -> Path:
    with database.transaction() as conn:
        conn.execute(probe.EFFECTS)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_paths_are_sent_and_results_written(cli: CommandLine, worker: Worker, place: Path) -> None:
    worker("db")
    for name in ("one", "two", "three"):
        (place / name).write_text(f"{name}\n")
    (place / "facts").write_text('{"from": "a file"}')
    done = cli("probe", "join", "--first", "one", "--others", "two", "--others", "three", "--json", "@facts")
    assert (place / "joined/joined.txt").read_text() == "one\ntwo\nthree\n"
    assert json.loads((place / "joined/facts.json").read_text()) == {"from": "a file"}
    assert "wrote joined/joined.txt" in done.stdout
    assert "manifest" not in done.stdout

    as_json = cli("probe", "join", "--first", "one", "--json", '{"a": 1}', "--as-json", "--folder", "else/where")
    assert as_json.json["result"]["size"] == 4
    assert "wrote else/where/joined.txt" in as_json.stderr
    assert (place / "else/where/facts.json").read_text() == '{"a": 1}'


def test_a_file_that_a_person_changed_is_kept(cli: CommandLine, worker: Worker, place: Path) -> None:
    worker("db")
    (place / "one").write_text("one\n")
    cli("probe", "join", "--first", "one")
    for edit in ("my work", "more work"):
        (place / "joined/joined.txt").write_text(edit)
        again = cli("probe", "join", "--first", "one")
        assert "was there already" in again.stderr
    assert (place / "joined/joined.txt").read_text() == "one\n"
    assert (place / "joined/joined.txt.1").read_text() == "my work"
    assert (place / "joined/joined.txt.2").read_text() == "more work"
    assert "was there already" not in cli("probe", "join", "--first", "one").stderr
    assert sorted(path.name for path in (place / "joined").iterdir()) == [
        "facts.json", "joined.txt", "joined.txt.1", "joined.txt.2",
    ]  # fmt: skip


def test_files_of_a_job_can_be_fetched_later(cli: CommandLine, worker: Worker, place: Path) -> None:
    worker("db")
    (place / "one").write_text("one\n")
    job = cli("probe", "join", "--first", "one", "--folder", "first", "--as-json").json["id"]
    assert "wrote later/joined.txt" in cli("jobs", "files", job, "--folder", "later").stdout
    assert (place / "later/joined.txt").read_text() == "one\n"
    job = cli("probe", "noop", "--json").json["id"]
    assert "has no files" in cli("jobs", "files", job, code=1).stderr


def test_folders_of_names_are_made_and_links_not_followed(
    cli: CommandLine, worker: Worker, place: Path, tmp_path: Path
) -> None:
    worker("db")
    done = cli("probe", "name-files", "--names", "train/reports/one.json", "--names", "two.json")
    assert (place / "train/reports/one.json").read_text() == "train/reports/one.json"
    assert "wrote train/reports/one.json" in done.stdout
    (place / "train/reports/one.json").write_text("my work")
    cli("probe", "name-files", "--names", "train/reports/one.json")
    assert (place / "train/reports/one.json.1").read_text() == "my work"
    outside = tmp_path / "outside"
    outside.mkdir()
    (place / "link").symlink_to(outside)
    assert "link is a link" in cli("probe", "name-files", "--names", "link/deep/a.txt", code=1).stderr
    assert list(outside.iterdir()) == []


def test_nothing_is_sent_when_another_option_is_wrong(cli: CommandLine, place: Path) -> None:
    (place / "one").write_text("one\n")
    assert "--json" in cli("probe", "join", "--first", "one", "--json", "no object", code=2).stderr
    assert "--first" in cli("probe", "join", "--first", "absent", code=2).stderr
    assert "cannot read absent" in cli("probe", "join", "--first", "one", "--json", "@absent", code=2).stderr


def test_underscores_do_for_hyphens(cli: CommandLine) -> None:
    once = cli("probe", "noop", "--no_wait", "--idempotency_key", "k1").stdout
    assert cli("probe", "noop", "--no-wait", "--idempotency-key", "k1").stdout == once


def test_training_files_are_checked_without_a_stack(cli: CommandLine, place: Path) -> None:
    lines = "".join(json.dumps(_LINE | {"messages": [*_LINE["messages"]]}) + "\n" for _ in range(10))
    (place / "good.jsonl").write_text(lines)
    (place / "packed.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (place / "cut.jsonl.gz").write_bytes(gzip.compress(lines.encode())[:-12])
    (place / "bad.jsonl").write_text(lines + '{"messages": []}\n')
    nowhere = "http://127.0.0.1:9"
    good = cli("llm", "validate", "good.jsonl", TUNEYARD_URL=nowhere)
    assert "a provider would take it" in good.stdout
    assert "USD at openai" in good.stdout
    packed = cli("llm", "validate", "packed.jsonl.gz", "--base_model", "gpt-4.1-mini", "--epochs", "2", "--json").json
    assert (packed["ok"], packed["rows"], packed["estimate"]["epochs"]) == (True, 10, 2)
    bad = cli("llm", "validate", "bad.jsonl", code=1, TUNEYARD_URL=nowhere)
    assert "line 11: no-messages" in bad.stdout
    assert "unreadable" in cli("llm", "validate", "cut.jsonl.gz", code=1).stdout
    cli("llm", "validate", "absent.jsonl", code=2)


def test_spending_is_shown(cli: CommandLine) -> None:
    assert cli("llm", "spend", "--json").json["limit"] == 100
