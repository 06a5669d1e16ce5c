"""The router from the command line: sample data in, two models, questions and answers, and the way back from them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.stack.process import ChildProcess
from tests.api.conftest import Front
from tests.support.command_line import CommandLine
from tests.support.waiting import wait_until

Worker = Callable[..., ChildProcess]


@pytest.fixture
def cli(front: Front, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(front.url, front.key(), monkeypatch, capsys)


def _sample(cli: CommandLine, file: Path, seed: int) -> str:
    cli("router", "make-sample", str(file), "--rows", "300", "--seed", str(seed))
    return str(file)


def test_sample_data_is_the_same_for_the_same_seed(cli: CommandLine, tmp_path: Path) -> None:
    first, again, other = (
        Path(_sample(cli, tmp_path / name, seed)) for name, seed in (("a.csv", 1), ("b.csv", 1), ("c.jsonl", 2))
    )
    queries = [[line.rsplit(",", 3)[0] for line in file.read_text().splitlines()] for file in (first, again)]
    assert queries[0] == queries[1]
    assert len(other.read_text().splitlines()) == 300
    cli("router", "make-sample", str(tmp_path / "rows.xlsx"), code=2)


def test_bad_lines_are_listed_and_nothing_is_stored(cli: CommandLine, worker: Worker, tmp_path: Path) -> None:
    worker("db")
    file = tmp_path / "bad.csv"
    file.write_text("query,label\nWhat is love?,HARD\n,EASY\nWhat is 2 + 2?,SIMPLE\n")
    refused = cli("router", "import", str(file), code=5)
    assert "the query is empty" in refused.stderr
    assert "the label is not EASY, MEDIUM or HARD" in refused.stderr
    too_few = cli("router", "retrain", code=5)
    assert "insufficient training data: 0 of 50" in too_few.stderr


def test_the_whole_loop(cli: CommandLine, worker: Worker, tmp_path: Path) -> None:
    worker("db")
    assert "300" in cli("router", "import", _sample(cli, tmp_path / "older.csv", 1)).stdout
    first = cli("router", "retrain", "--json").json["result"]
    assert first["promoted"]
    cli("router", "import", _sample(cli, tmp_path / "newer.jsonl", 2), "--json")
    second = cli("router", "retrain", "--json").json["result"]

    difference = cli("datasets", "diff", first["dataset_id"], second["dataset_id"], "--json").json
    assert difference["added"] == second["rows"] - first["rows"]
    assert first["dataset_id"] in cli("datasets", "list").stdout
    assert "row_count" in cli("datasets", "show", second["dataset_id"]).stdout

    listed = cli("models", "list").stdout
    assert first["version"] in listed
    assert second["version"] in listed
    assert cli("models", "card", first["model_id"]).stdout.startswith("# router ")
    assert "libraries.scikit-learn" in cli("models", "show", first["model_id"]).stdout

    # back to the first by hand, whatever the gates said of the second
    cli("models", "activate", second["model_id"], "--reason", "try it", "--force")
    back = cli("models", "rollback", first["model_id"], "--reason", "it was better", "--json").json
    assert back["result"]["version"] == first["version"]
    newest = cli("promotions", "--json", "--limit", "1").json["items"][0]
    assert (newest["kind"], newest["to_model"], newest["reason"]) == ("rollback", first["model_id"], "it was better")

    assert cli("models", "deactivate", first["model_id"], "--reason", "the end").stdout
    assert cli("models", "list", "--state", "active", "--json").json["items"] == []


def test_questions_feedback_and_lineage(cli: CommandLine, worker: Worker, tmp_path: Path) -> None:
    worker("db")
    worker("inference")
    cli("router", "import", _sample(cli, tmp_path / "rows.csv", 3), "--no-wait")
    wait_until(lambda: cli("jobs", "list", "--state", "succeeded", "--json").json["items"])
    trained = cli("router", "retrain", "--json").json["result"]

    def by_model() -> str | None:
        answer = cli("router", "query", "What is 2 + 2?", "--json").json
        return answer["queryId"] if answer["modelVersion"] == trained["version"] else None

    query_id = wait_until(by_model)
    stored = cli("router", "feedback", query_id, "EASY", "--json").json
    assert stored["label"] == "EASY"
    known = cli("router", "query", "Prove Fermat's last theorem.", "--override", "HARD").stdout
    assert "queryId" in known

    wait_until(lambda: query_id in cli("predictions", "--model", trained["model_id"]).stdout)
    tree = cli("lineage", query_id).stdout
    assert all(thing in tree for thing in ("came from", trained["model_id"], trained["dataset_id"], "led to"))
    assert cli("lineage", trained["dataset_id"], "--json").json["kind"] == "dataset"
    assert cli("alerts", "--json").json["items"] == []
