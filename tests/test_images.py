"""The images of the Dockerfile: each has the libraries of its own extra, and with those its service runs.

A process is started by its service's own command, in its own environment, from an environment of Python that holds what
its image holds; then its own health check is asked. What is left to an engine is the isolation.
"""

import shutil
import signal
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from shared.stack.parts import COMMANDS
from shared.stack.ports import free_port
from shared.stack.process import ChildProcess
from tests.support.compose import VARIABLES, replaced, services, targets
from tests.support.images import Images, libraries
from tests.support.processes import ROOT
from tests.support.waiting import wait_until

SERVING: Final = tuple(name for name in COMMANDS if name != "migrate")
HEAVY: Final = {"numpy", "scipy", "scikit-learn", "nltk", "torch", "torchvision", "onnxruntime"}


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    return Images(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize("name", tuple(COMMANDS))
def test_an_image_has_the_extra_of_its_queue_and_no_other(name: str) -> None:
    own = {"api": "front", "flower": "watch"}.get(name, name.removeprefix("worker-"))
    stores = {"s3"} if name == "api" or name.startswith("worker-") else set()
    encoder = {"minilm"} if name in {"worker-gpu", "worker-inference"} else set()
    wanted = stores | encoder | ({own} if name not in {"migrate", "sweeps", "beat"} else set())
    assert targets()[name].extras == wanted


@pytest.mark.parametrize("name", ["api", "flower", "migrate", "sweeps", "beat"])
def test_only_workers_have_heavy_libraries(name: str, images: Images) -> None:
    extras = targets()[name].extras
    assert not libraries(extras) & HEAVY
    python = images.environment(extras) / "bin" / "python"
    code = "import sys, importlib.util as u; print([m for m in sys.argv[1:] if u.find_spec(m)])"
    modules = ["numpy", "scipy", "sklearn", "nltk", "torch", "onnxruntime"]
    done = subprocess.run([python, "-I", "-c", code, *modules], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_wheel_holds_every_file_of_ours(images: Images) -> None:
    with zipfile.ZipFile(images.wheel) as wheel:
        packed = set(wheel.namelist())
    ours = {
        path.relative_to(ROOT).as_posix()
        for package in ("api", "shared", "workers")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert ours | {"beat_schedule.py"} <= packed


_TRAIN = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from shared.pipeline import Row
from shared.pipelines.router import PIPELINE
from shared.pipelines.router.sample import make

sample = make(rows=200, seed=1, now=datetime(2026, 1, 1, tzinfo=UTC))
rows = [
    Row(id=f"ex_{n:03}", group=f"g_{n}", split="train", input=r.query, label=r.label, at=r.labelled_at)
    for n, r in enumerate(sample)
]
PIPELINE.train(rows, Path(sys.argv[1]), lambda fraction, message: None)
"""
_ANSWER = """
import sys
from pathlib import Path
from shared.pipelines.router import PIPELINE

(answer,) = PIPELINE.load(Path(sys.argv[1])).predict(["what is the capital of France?"])
print(answer.output.difficulty)
"""


def test_what_the_db_image_trains_the_inference_image_serves(images: Images, tmp_path: Path) -> None:
    for name, code in (("worker-db", _TRAIN), ("worker-inference", _ANSWER)):
        python = images.environment(targets()[name].extras) / "bin" / "python"
        done = subprocess.run([python, "-I", "-c", code, tmp_path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in {"EASY", "MEDIUM", "HARD", "UNCERTAIN"}


class Container:
    """A service of the file, as its image would run it: own libraries, own environment, own command, own check."""

    def __init__(self, name: str, variables: Mapping[str, str], images: Images, folder: Path) -> None:
        self._service: dict[str, Any] = services(variables)[name]
        self.folder = folder / "container"
        (self.folder / "tmp").mkdir(parents=True)
        self._here = {
            "/tmp/ready": str(self.folder / "ready"),  # noqa: S108  (the container's)
            "/var/lib/tuneyard": str(self.folder),
            "0.0.0.0": "127.0.0.1",  # noqa: S104  (the container's)
            "8000": str(free_port()),
            "5555": str(free_port()),
        }
        programs = images.environment(targets()[name].extras) / "bin"
        self._image = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "TUNEYARD_HOME": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
        }

    @property
    def environment(self) -> dict[str, str]:
        given = self._service["environment"]
        # addresses are the test's own already; only what names a place in the container changes
        own = {k: v if k.endswith("_URL") else replaced(str(v), self._here) for k, v in given.items()}
        return self._image | own

    def start(self) -> ChildProcess:
        argv = list(self._service["command"])
        argv[0] = shutil.which(argv[0], path=self._image["PATH"]) or argv[0]
        return ChildProcess(argv, env=self.environment, log=self.folder / "log", cwd=self.folder)

    def is_healthy(self) -> bool:
        kind, *check = self._service["healthcheck"]["test"]
        assert kind == "CMD"
        argv = [replaced(part, self._here) for part in check]
        argv[0] = shutil.which(argv[0], path=self._image["PATH"]) or argv[0]
        return subprocess.run(argv, env=self.environment, capture_output=True, check=False).returncode == 0


def _variables(dsn: str, redis_url: str, folder: Path) -> dict[str, str]:
    addresses = {"DATABASE_URL": dsn, "REDIS_URL": redis_url, "ARTIFACTS_URL": (folder / "artifacts").as_uri()}
    return VARIABLES | addresses


@pytest.mark.parametrize("name", SERVING)
def test_a_service_starts_reports_health_and_stops(
    name: str, images: Images, dsn: str, redis_url: str, tmp_path: Path
) -> None:
    container = Container(name, _variables(dsn, redis_url, tmp_path), images, tmp_path)
    process = container.start()
    try:
        wait_until(lambda: container.is_healthy() or not process.is_running, timeout=90)
        assert process.is_running, process.log.read_text()
        process.send(signal.SIGTERM)
        # uvicorn ends by the signal itself, once all is closed
        assert process.wait(40) in {0, -signal.SIGTERM}, process.log.read_text()
        log = process.log.read_text()
        for address in (dsn, redis_url):
            password = address.partition("@")[0].rpartition(":")[2]
            assert password not in log
    finally:
        process.kill()


def test_migrate_runs_once_and_again_changes_nothing(
    images: Images, empty_dsn: str, redis_url: str, tmp_path: Path
) -> None:
    container = Container("migrate", _variables(empty_dsn, redis_url, tmp_path), images, tmp_path)
    for _ in range(2):
        process = container.start()
        assert process.wait(60) == 0, process.log.read_text()
    with psycopg.connect(empty_dsn) as conn:
        (count,) = conn.execute("SELECT count(*) FROM schema_migrations").fetchone() or (0,)
    assert count > 0
    assert process.log.read_text().endswith("nothing to do\n")
