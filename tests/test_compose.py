"""docker-compose.yml and the Dockerfile, as far as they can be shown without an engine: which is nearly all the way.

Each process of the file is started by its own command, with its own environment, from an environment that holds what
its image holds; then its own health check is asked. What is left to an engine is the isolation.
"""

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import yaml

from shared.stack import postgres
from shared.stack.parts import COMMANDS
from shared.stack.ports import free_port
from shared.stack.process import ChildProcess
from tests.support.compose import COMPOSE, MissingVariableError, compose, services, targets
from tests.support.images import Images, libraries
from tests.support.processes import ROOT, Processes
from tests.support.waiting import wait_until

VARIABLES = {
    "POSTGRES_PASSWORD": "pgsecret1",
    "REDIS_PASSWORD": "redissecret1",
    "FLOWER_PASSWORD": "flowersecret1",
    "DATABASE_URL": "postgresql://tuneyard:pgsecret1@postgres:5432/tuneyard",
    "REDIS_URL": "redis://:redissecret1@redis:6379/0",
    "ARTIFACTS_URL": "file:///var/lib/tuneyard/artifacts",
}
PROCESSES = tuple(COMMANDS)
SERVING = tuple(name for name in PROCESSES if name != "migrate")
HEAVY = {"numpy", "scipy", "scikit-learn", "nltk", "torch", "torchvision", "onnxruntime"}


# --- the files ------------------------------------------------------------------------------------------------------


def test_there_is_a_service_for_every_part_of_the_stack() -> None:
    assert set(services(VARIABLES)) == {*COMMANDS, "postgres", "redis", "s3"}


@pytest.mark.parametrize("name", PROCESSES)
def test_the_commands_are_those_of_the_embedded_stack(name: str) -> None:
    assert tuple(services(VARIABLES)[name]["command"]) == COMMANDS[name]
    assert targets()[name].command == COMMANDS[name]


@pytest.mark.parametrize("name", PROCESSES)
def test_a_service_is_built_from_its_own_target_and_may_do_little(name: str) -> None:
    service = services(VARIABLES)[name]
    assert service["build"]["target"] == name
    assert targets()[name].user == "tuneyard"
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", VARIABLES)
def test_nothing_starts_without_a_secret_or_an_address(name: str) -> None:
    with pytest.raises(MissingVariableError, match=name):
        compose({key: value for key, value in VARIABLES.items() if key != name})


def test_the_example_names_every_variable_that_the_file_demands() -> None:
    example = {line.partition("=")[0]: line for line in (ROOT / ".env.example").read_text().splitlines() if "=" in line}
    assert set(VARIABLES) <= set(example)
    assert all(example[name] == f"{name}=" for name in VARIABLES if name.endswith("PASSWORD"))


def test_ports_are_published_on_the_loopback_address_alone() -> None:
    published = {name: s["ports"] for name, s in services(VARIABLES).items() if "ports" in s}
    assert set(published) == {"api", "flower"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_every_service_is_watched_and_comes_back() -> None:
    for name, service in services(VARIABLES).items():
        if name == "migrate":
            assert service["restart"] == "no"
        else:
            assert service["restart"] == "unless-stopped"
            assert service["healthcheck"]["test"]


def test_profiles() -> None:
    found = services(VARIABLES)
    assert {name: s["profiles"] for name, s in found.items() if "profiles" in s} == {
        "s3": ["s3"],
        "worker-gpu": ["gpu"],
    }
    (device,) = found["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_the_builder_is_sent_what_the_dockerfile_copies_and_no_more() -> None:
    ignored, *rest = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    allowed = {line.removeprefix("!") for line in rest if line.startswith("!")}
    assert ignored == "*"
    assert allowed == {path for target in targets().values() for path in target.copied}
    assert all((ROOT / path).exists() for path in allowed)


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is not installed")
def test_docker_compose_reads_the_file_as_we_do(tmp_path: Path) -> None:
    shutil.copy(COMPOSE, tmp_path)
    done = _docker_compose(tmp_path, VARIABLES, "--profile", "gpu", "--profile", "s3", "config")
    assert done.returncode == 0, done.stderr
    theirs, ours = yaml.safe_load(done.stdout)["services"], services(VARIABLES)
    assert set(theirs) == set(ours)
    for name, service in theirs.items():
        environment = {key: str(value) for key, value in ours[name].get("environment", {}).items()}
        assert {key: str(value) for key, value in service.get("environment", {}).items()} == environment
        command = ours[name].get("command")
        assert [part.replace("$$", "$") for part in service.get("command", [])] == (command or [])


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is not installed")
def test_the_example_filled_in_is_enough_for_docker_compose(tmp_path: Path) -> None:
    shutil.copy(COMPOSE, tmp_path)
    filled = (ROOT / ".env.example").read_text().replace("PASSWORD=\n", "PASSWORD=secret1\n")
    (tmp_path / ".env").write_text(filled)
    done = _docker_compose(tmp_path, {}, "config")
    assert done.returncode == 0, done.stderr
    api = yaml.safe_load(done.stdout)["services"]["api"]["environment"]
    assert api["DATABASE_URL"] == "postgresql://tuneyard:secret1@postgres:5432/tuneyard"
    assert api["REDIS_URL"] == "redis://:secret1@redis:6379/0"


def _docker_compose(folder: Path, variables: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), **variables}
    return subprocess.run(
        ["docker-compose", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


# --- the servers ----------------------------------------------------------------------------------------------------


def test_postgres_sorts_as_the_embedded_server_does() -> None:
    environment = services(VARIABLES)["postgres"]["environment"]
    assert environment["POSTGRES_INITDB_ARGS"].split() == list(postgres._INITDB)


def test_redis_wants_its_password_keeps_what_it_has_and_forgets_nothing(processes: Processes, tmp_path: Path) -> None:
    service = services(VARIABLES)["redis"]
    # the image's programs by their names, from what is installed here
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("server", "cli"):
        (programs / f"valkey-{name}").symlink_to(_redis_program(name))
    (tmp_path / "data").mkdir()
    port = str(free_port())
    here = {"/data": str(tmp_path / "data"), "valkey-server -": f"valkey-server - --port {port}"}
    env = {"PATH": f"{programs}:{os.environ['PATH']}", **service["environment"]}
    server = processes.start([_replaced(part, here) for part in service["command"]], **env)
    check = [*("sh", "-c"), _replaced(service["healthcheck"]["test"][1], {"valkey-cli": f"valkey-cli -p {port}"})]
    processes.wait_for(server, lambda: subprocess.run(check, env=env, check=False).returncode == 0)

    with redis.Redis(port=int(port)) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis(port=int(port), password=VARIABLES["REDIS_PASSWORD"]) as client:
        wanted = {"appendonly": "yes", "maxmemory-policy": "noeviction", "maxmemory": str(512 << 20)}
        assert {name: client.config_get(name)[name] for name in wanted} == wanted
    assert VARIABLES["REDIS_PASSWORD"] not in Path(f"/proc/{server.pid}/cmdline").read_text()
    assert server.stop() == 0


def _redis_program(name: str) -> str:
    folders = os.pathsep.join([os.environ["PATH"], str(Path(sys.executable).parent)])
    found = shutil.which(f"redis-{name}", path=folders) or shutil.which(f"valkey-{name}", path=folders)
    assert found
    return found


# --- the images -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    return Images(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize("name", PROCESSES)
def test_an_image_has_the_extra_of_its_queue_and_no_other(name: str) -> None:
    own = {"api": "front", "flower": "watch"}.get(name, name.removeprefix("worker-"))
    stores = {"s3"} if name == "api" or name.startswith("worker-") else set()
    wanted = stores | ({own} if name not in {"migrate", "sweeps", "beat"} else set())
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


def _replaced(text: str, replacements: Mapping[str, str]) -> str:
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


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
        own = {k: v if k.endswith("_URL") else _replaced(str(v), self._here) for k, v in given.items()}
        return self._image | own

    def start(self) -> ChildProcess:
        argv = list(self._service["command"])
        argv[0] = shutil.which(argv[0], path=self._image["PATH"]) or argv[0]
        return ChildProcess(argv, env=self.environment, log=self.folder / "log", cwd=self.folder)

    def is_healthy(self) -> bool:
        kind, *check = self._service["healthcheck"]["test"]
        assert kind == "CMD"
        argv = [_replaced(part, self._here) for part in check]
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
