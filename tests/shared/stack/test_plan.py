"""What a stack consists of: ports, secrets, embedded servers or those of the environment."""

import json
import os
import random
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.settings import Settings
from shared.stack.home import Home
from shared.stack.parts import COMMANDS, answers
from shared.stack.plan import Plan, make_plan
from shared.stack.ports import LOOPBACK, first_free, free_port, is_free
from tests.support.processes import ROOT


@pytest.fixture
def home(server_folder: Path) -> Home:
    home = Home(server_folder / "home")
    home.prepare()
    return home


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind((LOOPBACK, 0))
        listening.listen()
        yield listening.getsockname()[1]


def plan_of(home: Home, **more: object) -> Plan:
    outside = {"database_url": "postgresql://outside/db", "redis_url": "redis://outside/0"}
    plan, _ = make_plan(Settings.model_validate({"tuneyard_home": home.folder, **outside, **more}), home)
    return plan


def test_a_taken_port_gives_way_to_the_next_free_one(taken_port: int) -> None:
    assert not is_free(taken_port)
    assert taken_port < first_free(taken_port) <= taken_port + 100
    free = free_port()
    assert first_free(free) == free


def test_a_port_that_another_process_has_chosen_is_passed_over_until_that_process_ends() -> None:
    script = "from shared.stack.ports import free_port; print(free_port(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        port = int(other.stdout.readline())
        assert is_free(port)  # nobody listens yet
        assert first_free(port) != port
        other.communicate("\n", timeout=30)
    assert first_free(port) == port


def test_processes_whose_dice_are_seeded_alike_choose_different_ports() -> None:
    chosen = set()
    for _ in range(20):
        random.seed(1)
        chosen.add(free_port())
    assert len(chosen) == 20


def test_api_and_flower_move_when_their_ports_are_taken(home: Home, taken_port: int) -> None:
    plan = plan_of(home, api_port=taken_port, flower_port=taken_port)
    ports = {int(url.rpartition(":")[2]) for url in (plan.url, plan.flower_url)}
    assert taken_port not in ports
    assert len(ports) == 2


def test_servers_of_the_environment_are_used_instead_of_embedded_ones(home: Home) -> None:
    plan = plan_of(home, artifacts_url="s3://bucket/prefix")
    assert [part.name for part in plan.parts if part.name in {"postgres", "redis"}] == []
    assert plan.exports["DATABASE_URL"] == "postgresql://outside/db"
    assert plan.exports["REDIS_URL"] == "redis://outside/0"
    assert plan.exports["ARTIFACTS_URL"] == "s3://bucket/prefix"


def test_addresses_of_its_own_servers_from_an_earlier_run_are_not_taken_for_others(home: Home) -> None:
    """In a shell that has evaluated ``tuneyard env``."""
    secrets = home.secrets()
    earlier = {
        "database_url": f"postgresql://tuneyard:{secrets.postgres_password}@{LOOPBACK}:1/tuneyard",
        "redis_url": f"redis://:{secrets.redis_password}@{LOOPBACK}:1/0",
    }
    plan = plan_of(home, **earlier)
    assert {"postgres", "redis"} <= {part.name for part in plan.parts}
    assert plan.exports["DATABASE_URL"] != earlier["database_url"]
    assert plan.exports["REDIS_URL"] != earlier["redis_url"]


def test_every_part_but_the_servers_runs_a_command_of_the_table(home: Home) -> None:
    plan = plan_of(home)
    assert {part.name: part.argv[1:] for part in plan.parts} == {name: argv[1:] for name, argv in COMMANDS.items()}


def test_what_a_part_needs_stands_before_it(home: Home) -> None:
    seen: set[str] = set()
    for part in plan_of(home).parts:
        assert seen.issuperset(part.needs), part.name
        seen.add(part.name)


def test_secrets_are_made_once_and_only_their_owner_can_read_them(home: Home) -> None:
    first, second = home.secrets(), home.secrets()
    assert first == second
    assert len({first.postgres_password, first.redis_password, first.flower_password}) == 3
    assert stat.S_IMODE((home.folder / "secrets.json").stat().st_mode) == 0o600
    assert first.redis_password not in repr(first)


def test_secrets_do_not_show_in_commands(home: Home) -> None:
    plan, _ = make_plan(Settings(tuneyard_home=home.folder), home)
    secrets = home.secrets()
    commands = " ".join(word for part in plan.parts for word in part.argv)
    for secret in (secrets.postgres_password, secrets.redis_password, secrets.flower_password):
        assert secret not in commands
    for part in plan.parts:
        if part.name in {"postgres", "redis"}:
            assert set(part.env) == {"PATH", "TUNEYARD_STACK"}


def test_large_logs_of_former_runs_are_put_aside(home: Home) -> None:
    log = home.log("api")
    log.touch()
    os.truncate(log, 20_000_000)
    home.prepare()
    assert not log.exists()
    assert log.with_suffix(".log.1").stat().st_size == 20_000_000


def test_nobody_answers_on_a_free_port() -> None:
    assert not answers(f"http://{LOOPBACK}:{free_port()}/healthz")


def test_only_the_finetune_worker_holds_the_key_of_our_own_trainer(home: Home) -> None:
    plan = plan_of(home)
    key = home.secrets().trainer_key
    assert key.startswith("ty_")
    assert plan.exports["OPENAI_BASE_URL"] == f"{plan.url}/openai/v1"
    assert [part.name for part in plan.parts if key in part.env.values()] == ["worker-finetune"]


def test_a_provider_of_the_environment_is_used_instead_of_our_own_trainer(home: Home) -> None:
    assert plan_of(home, openai_api_key="sk-test").exports["OPENAI_BASE_URL"] == "https://api.openai.com/v1"
    elsewhere = plan_of(home, openai_base_url="http://gpu.example/v1", openai_api_key="sk-test")
    assert elsewhere.exports["OPENAI_BASE_URL"] == "http://gpu.example/v1"


@pytest.mark.parametrize("key", ["", "sk-left-over"])
def test_an_address_of_our_own_that_an_earlier_start_exported_is_not_stale(home: Home, key: str) -> None:
    plan = plan_of(home, openai_base_url="http://127.0.0.1:1/openai/v1/", openai_api_key=key)
    assert plan.exports["OPENAI_BASE_URL"] == f"{plan.url}/openai/v1"


@pytest.mark.parametrize(
    ("address", "key"), [("http://127.0.0.1:1/openai/v1", "ty_other"), ("http://other.example/openai/v1", "")]
)
def test_another_tuneyard_may_be_the_trainer(home: Home, address: str, key: str) -> None:
    assert plan_of(home, openai_base_url=address, openai_api_key=key).exports["OPENAI_BASE_URL"] == address


def test_secrets_of_an_older_version_get_what_is_new_and_keep_the_rest(home: Home) -> None:
    before = home.secrets().model_dump()
    without = {name: value for name, value in before.items() if name != "trainer_key"}
    (home.folder / "secrets.json").write_text(json.dumps(without))
    grown = home.secrets()
    assert grown.model_dump(exclude={"trainer_key"}) == without
    assert home.secrets() == grown


def test_flower_listens_for_the_front_alone_and_only_the_front_knows_its_password(home: Home) -> None:
    plan, password = plan_of(home), home.secrets().flower_password
    envs = {part.name: part.env for part in plan.parts}
    assert envs["flower"]["FLOWER_ADDRESS"] == LOOPBACK
    assert envs["flower"]["FLOWER_BASIC_AUTH"] == f"tuneyard:{password}"
    assert envs["flower"]["FLOWER_READ_ONLY"] == "true"
    assert envs["api"]["FLOWER_URL"] == plan.flower_url
    assert [name for name, env in envs.items() if password in env.values()] == ["api"]
    assert password not in plan.exports.values()
