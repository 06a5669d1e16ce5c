"""docker-compose.yml, read as an engine would read it, and its servers. Its processes: see test_images.py."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import redis
import yaml

from shared.stack import postgres
from shared.stack.parts import COMMANDS
from shared.stack.ports import free_port
from tests.support.compose import COMPOSE, VARIABLES, MissingVariableError, compose, replaced, services, targets
from tests.support.processes import ROOT, Processes

PROCESSES = tuple(COMMANDS)


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
    assert set(published) == {"api"}  # Flower is seen through the front alone
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
    assert {name: s["profiles"] for name, s in found.items() if "profiles" in s} == {"s3": ["s3"]}


def test_the_providers_key_is_told_to_the_worker_that_asks_it_and_to_nobody_else() -> None:
    found = services({**VARIABLES, "OPENAI_API_KEY": "sk-test"})
    holders = [name for name, s in found.items() if "sk-test" in s.get("environment", {}).values()]
    assert holders == ["worker-finetune"]


def test_the_builder_is_sent_what_the_dockerfile_copies_and_no_more() -> None:
    ignored, *rest = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    allowed = {line.removeprefix("!") for line in rest if line.startswith("!")}
    assert ignored == "*"
    assert allowed == {path for target in targets().values() for path in target.copied}
    assert all((ROOT / path).exists() for path in allowed)


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is not installed")
def test_docker_compose_reads_the_file_as_we_do(tmp_path: Path) -> None:
    shutil.copy(COMPOSE, tmp_path)
    done = _docker_compose(tmp_path, VARIABLES, "--profile", "s3", "config")
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
    server = processes.start([replaced(part, here) for part in service["command"]], **env)
    check = [*("sh", "-c"), replaced(service["healthcheck"]["test"][1], {"valkey-cli": f"valkey-cli -p {port}"})]
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
