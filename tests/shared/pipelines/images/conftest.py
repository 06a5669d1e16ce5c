"""Fixtures of images: their steps with this process as the worker."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from shared.db.pool import get_database
from shared.settings import Settings
from tests.shared.pipelines.images.studio import Studio

ROOT: Final = Path(__file__).parents[4]

# Many test processes share the machine: threads that wait for each other would wait for its cores as well.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def studio(settings: Settings) -> Studio:
    """The pipeline images on a database of the test's own."""
    return Studio(get_database())


@pytest.fixture
def run_dying(studio: Studio, environment: dict[str, str]) -> Iterator[Callable[[str, int], bool]]:
    """Run a job in a process that is killed (-9) at a point; the answer is whether it came that far."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.dying", "shared.pipelines.images.train"], cwd=ROOT,
        env=environment | {"OMP_NUM_THREADS": "1"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip

        def run(job_id: str, point: int) -> bool:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{job_id} {point}\n")
            process.stdin.flush()
            return process.stdout.readline().strip() == "killed"

        yield run
        process.stdin.close()  # type: ignore[union-attr]  # a pipe
