"""The command line's parts that need no server: event streams, exit codes, where the API is, what is printed."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.commands import output
from api.commands.client import Event, parse_events, path_of
from api.commands.errors import CommandError, ExitCode, ProblemError, exit_code_of_job
from api.commands.place import Place, find_place, local_place
from api.commands.uploads import Format, format_of
from shared.settings import get_settings
from shared.stack.home import Home, Secrets, write
from shared.stack.process import Identity
from shared.stack.state import Phase, StackState

_TEXT = st.text(st.characters(blacklist_categories=["Cs"]))


@given(st.lists(st.tuples(st.integers(1, 10**12), st.sampled_from(["progress", "succeeded"]), _TEXT)), st.booleans())
def test_event_streams_are_read_back(events: list[tuple[int, str, str]], heartbeats: bool) -> None:
    lines: list[str] = []
    for seq, kind, message in events:
        lines += [": still here", ""] if heartbeats else []
        lines += [f"id: {seq}", f"event: {kind}", f"data: {json.dumps({'message': message, 'data': {}})}", ""]
    expected = [Event(seq=seq, type=kind, message=message, data={}) for seq, kind, message in events]
    assert list(parse_events(lines)) == expected


def test_half_an_event_at_the_end_of_a_broken_stream_is_not_shown() -> None:
    whole = ["id: 1", "event: running", 'data: {"message": "", "data": {}}', ""]
    assert [event.seq for event in parse_events([*whole, "id: 2", "event: succeeded"])] == [1]


@pytest.mark.parametrize(
    ("state", "error", "code"),
    [
        ("succeeded", None, ExitCode.OK),
        ("cancelled", None, ExitCode.CANCELLED),
        ("failed", {"code": "internal"}, ExitCode.FAILED),
        ("failed", None, ExitCode.FAILED),
        ("failed", {"code": "refused", "message": "insufficient training data: 37 of 50"}, ExitCode.REFUSED),
    ],
)
def test_exit_codes_of_jobs(state: str, error: dict[str, str] | None, code: ExitCode) -> None:
    assert exit_code_of_job({"state": state, "error": error}) is code


@pytest.mark.parametrize(
    ("status", "code"),
    [(422, ExitCode.USAGE), (404, ExitCode.FAILED), (403, ExitCode.FAILED), (503, ExitCode.UNREACHABLE)],
)
def test_exit_codes_of_problems(status: int, code: ExitCode) -> None:
    assert ProblemError(status, {}).exit_code is code
    assert ProblemError(status, {"detail": "no such model"}).message == "no such model"


def test_paths_keep_what_users_type_inside_one_segment() -> None:
    assert path_of("jobs", "../keys", "events") == "/v1/jobs/..%2Fkeys/events"


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:80", True),
        ("http://localhost", True),
        ("https://a.example", False),
    ],
)
def test_proxies_are_for_other_machines_only(url: str, local: bool) -> None:
    assert Place(url=url, key="").is_local is local


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("TUNEYARD_URL", "TUNEYARD_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TUNEYARD_HOME", str(tmp_path))
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def test_no_stack_is_found(home: Path) -> None:
    with pytest.raises(CommandError) as caught:
        find_place()
    assert caught.value.exit_code is ExitCode.UNREACHABLE
    assert "tuneyard up" in caught.value.advice


def test_the_environment_comes_before_the_local_stack(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Home(home)
    stack.prepare()
    stack.keep(Secrets(api_key="ty_local"))
    here = Identity(pid=os.getpid(), started=psutil.Process().create_time())
    write(StackState(phase=Phase.RUNNING, supervisor=here, url="http://127.0.0.1:8001", flower_url=""), stack.state)
    assert find_place() == Place(url="http://127.0.0.1:8001", key="ty_local")
    monkeypatch.setenv("TUNEYARD_URL", "https://tuneyard.example/")
    get_settings.cache_clear()
    # the local stack's key is not sent to another machine
    assert find_place() == Place(url="https://tuneyard.example", key="")


def test_a_stack_that_was_killed_is_not_found(home: Path) -> None:
    stack = Home(home)
    stack.prepare()
    gone = Identity(pid=os.getpid(), started=0.0)  # the id was given to another process since
    write(StackState(phase=Phase.RUNNING, supervisor=gone, url="http://127.0.0.1:8001", flower_url=""), stack.state)
    assert local_place(stack) is None


@pytest.mark.parametrize(
    ("name", "expected"), [("a.csv", Format.CSV), ("b.JSONL", Format.JSONL), ("c.ndjson", Format.JSONL)]
)
def test_formats_of_files(name: str, expected: Format) -> None:
    assert format_of(Path(name)) is expected


def test_an_unknown_format_must_be_said() -> None:
    with pytest.raises(CommandError) as caught:
        format_of(Path("rows.txt"))
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "yes"),
        (0.123456, "0.1235"),
        (1234.5, "1,234.50"),
        (12.0, "12"),
        (["a", "b"], "a, b"),
        (3, "3"),
    ],
)
def test_cells(value: object, shown: str) -> None:
    assert output.cell(value).plain == shown


def test_nested_objects_get_dotted_names() -> None:
    verdicts = [{"gate": "x"}]
    metrics = {"all": {"rows": 3, "candidate": {"accuracy": 1.0}, "active": None}}
    thing = {"a": {"b": 1, "c": None}, "d": "", "e": [1], "verdicts": verdicts, "r": {"metrics": metrics}}
    leaves = [("a.b", 1), ("e", [1]), ("verdicts", verdicts), ("r.metrics", metrics)]
    assert list(output.flatten(thing)) == leaves


def test_metrics_are_shown_side_by_side(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    scores = {"accuracy": 0.75, "per_class": {"EASY": {"f1": 1.0}}}
    metrics = {
        "all": {"rows": 1200, "candidate": scores, "active": {"accuracy": 0.5}},
        "recent": {"rows": 30, "candidate": scores, "active": None},
    }
    output.print_object({"result": {"metrics": metrics}}, as_json=False)
    titles, row = capsys.readouterr().out.splitlines()[-2:]
    assert titles.split("  ")[-3:] == [
        "candidate, all (1,200 rows)",
        "active, all (1,200 rows)",
        "candidate, recent (30 rows)",
    ]
    assert row.split() == ["accuracy", "0.75", "0.5", "0.75"]


def test_things_with_tables_in_them_are_shown_one_by_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    stages = [
        {"stage": name, "steps": [{"step": "freeze", "sentence": "60 rows"}, {"step": "evals", "sentence": "Fine."}]}
        for name in ("one", "two")
    ]
    output.print_object({"sentence": "Done.", "stages": stages}, as_json=False)
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    table = ["step sentence", "freeze 60 rows", "evals Fine.", ""]
    assert shown == [
        "sentence Done.", "",
        "stages 1 of 2", "stage one", "", "stages 1 of 2: steps", *table,
        "stages 2 of 2", "stage two", "", "stages 2 of 2: steps", *table[:-1],
    ]  # fmt: skip


def test_what_others_wrote_cannot_steer_the_terminal() -> None:
    assert output.cell("fine\x1b[2J\x07").plain == "fine[2J"
