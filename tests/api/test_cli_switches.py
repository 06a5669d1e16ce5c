"""Flags with a word, as scripts write them: ``--dry_run=true`` means ``--dry-run``, and ``=false`` its opposite."""

from types import SimpleNamespace

import pytest

from api.commands.switches import plain
from tests.api.conftest import Front
from tests.support.command_line import CommandLine

STAGE = "synthesis_decision"


def _option(*names: str, off: tuple[str, ...] = (), flag: bool = True) -> SimpleNamespace:
    return SimpleNamespace(opts=list(names), secondary_opts=list(off), is_flag=flag)


COMMAND = SimpleNamespace(
    params=[
        SimpleNamespace(opts=["file"], secondary_opts=[]),  # an argument
        _option("--live", off=("--no-live", "--dry-run")),
        _option("--list"),
        _option("--reason", flag=False),
    ]
)


def _plain(*args: str) -> list[str]:
    return plain(lambda _: COMMAND, args, lambda name: name.replace("_", "-"))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--dry_run=true", ["--dry-run"]),
        ("--dry-run=false", ["--live"]),
        ("--live=TRUE", ["--live"]),
        ("--live=false", ["--no-live"]),
        ("--no-live=true", ["--no-live"]),
        ("--list=true", ["--list"]),
        ("--list=false", []),
        ("--live", ["--live"]),
        ("--reason=true", ["--reason=true"]),
        ("--unknown=true", ["--unknown=true"]),
        ("--live=perhaps", ["--live=perhaps"]),
    ],
)
def test_a_word_becomes_the_flag_or_its_opposite(given: str, meant: list[str]) -> None:
    assert _plain("ship", given, "x") == ["ship", *meant, "x"]


def test_what_follows_the_end_of_options_is_left_alone() -> None:
    assert _plain("--live=false", "--", "--live=true") == ["--no-live", "--", "--live=true"]


def test_without_a_word_no_command_is_looked_for() -> None:
    assert plain(lambda _: 1 / 0, ["ship", "--live"], str) == ["ship", "--live"]


def test_the_seeds_own_spelling_works(
    front: Front, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = CommandLine(front.url, front.key(), monkeypatch, capsys)

    def params(*arguments: str) -> object:
        job = cli(*arguments, "--wait=false", "--json=true").json
        return cli("jobs", "show", job["id"], "--json").json["params"]

    shipped = params("stages", "ship", "--dry_run=true", "--days=90")
    assert isinstance(shipped, dict)
    assert (shipped["live"], shipped["days"]) == (False, 90)
    live = params("stages", "ship", "--dry_run=false", f"--stage={STAGE}")
    assert isinstance(live, dict)
    assert live["live"] is True
    built = params("stages", "build-datasets", "--approved_only=false", "--days=30")
    assert isinstance(built, dict)
    assert built["approved_only"] is False
    promoted = params("stages", "promote", f"--stage={STAGE}", "--model=ft:x", "--dry_run=true")
    assert isinstance(promoted, dict)
    assert promoted["dry_run"] is True
    assert "does not take a value" in cli("stages", "ship", "--dry_run=maybe", code=2).stderr
