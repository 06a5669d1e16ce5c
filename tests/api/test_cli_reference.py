"""The references in docs/ are generated from the code, and the check notices when one is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from api import reference
from tests.support.processes import ROOT


def test_the_committed_references_are_up_to_date() -> None:
    """In a process of its own: what other tests set or load must not show in the documents."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TUNEYARD")}
    done = subprocess.run(
        [sys.executable, "-m", "api.reference", "--check"],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_stale_reference_is_noticed_and_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--folder", str(tmp_path)]) == 0
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == set(reference.REFERENCES)
    (tmp_path / "settings.md").write_text("# Settings of last year\n")
    assert reference.main(["--folder", str(tmp_path), "--check"]) == 1
    assert "out of date: settings.md" in capsys.readouterr().err
    assert (tmp_path / "settings.md").read_text() == "# Settings of last year\n"
    assert reference.main(["--folder", str(tmp_path)]) == 0
    assert reference.main(["--folder", str(tmp_path), "--check"]) == 0


def test_no_secret_and_no_path_of_this_machine_is_in_a_reference() -> None:
    for render in reference.REFERENCES.values():
        text = render()
        assert str(ROOT) not in text
        assert str(Path.home()) not in text or Path.home() == Path("/")
