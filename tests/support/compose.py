"""docker-compose.yml and the Dockerfile as data: what an engine would give each container, without an engine."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from tests.support.processes import ROOT

COMPOSE: Final = ROOT / "docker-compose.yml"
DOCKERFILE: Final = ROOT / "Dockerfile"

VARIABLES: Final = {
    "POSTGRES_PASSWORD": "pgsecret1",
    "REDIS_PASSWORD": "redissecret1",
    "FLOWER_PASSWORD": "flowersecret1",
    "DATABASE_URL": "postgresql://tuneyard:pgsecret1@postgres:5432/tuneyard",
    "REDIS_URL": "redis://:redissecret1@redis:6379/0",
    "ARTIFACTS_URL": "file:///var/lib/tuneyard/artifacts",
}
"""A value for everything that the file demands."""

_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<how>:-|:\?)(?P<rest>[^}]*))?\})")


class MissingVariableError(Exception):
    """The file demands a variable that is not set."""


@dataclass(frozen=True)
class Target:
    """What a target of the Dockerfile comes to, with all that it inherits."""

    extras: frozenset[str]
    command: tuple[str, ...]
    user: str
    copied: frozenset[str]
    """What it, or a stage before it, copies from the project's folder."""


def compose(variables: Mapping[str, str]) -> dict[str, Any]:
    """Read the file as ``docker compose`` does. Raises MissingVariableError."""
    read = yaml.safe_load(COMPOSE.read_text())
    return {key: _filled(value, variables) for key, value in read.items() if not key.startswith("x-")}


def services(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the file's services."""
    found: dict[str, dict[str, Any]] = compose(variables)["services"]
    return found


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, variables) for inner in value]
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(lambda match: _value(match, variables), value)


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name, how, rest = match["name"], match["how"], match["rest"]
    if name is None:
        return "$"
    if found := variables.get(name, ""):
        return found
    if how != ":-":
        raise MissingVariableError(f"{name}: {rest}")
    return str(rest)


def replaced(text: str, replacements: Mapping[str, str]) -> str:
    """Put places of this machine where the text names a container's."""
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


def targets() -> dict[str, Target]:
    """Read the Dockerfile's stages."""
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    found: dict[str, Target] = {}
    name = ""
    for instruction, rest in lines:
        if instruction == "FROM":
            parent, name = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()  # type: ignore[union-attr]
            found[name] = found.get(parent) or Target(frozenset(), (), "root", frozenset())
        elif name:
            found[name] = _with(found[name], instruction, rest)
    return found


def _with(target: Target, instruction: str, rest: str) -> Target:
    extras, command, user, copied = target.extras, target.command, target.user, target.copied
    if instruction == "RUN":
        extras |= set(re.findall(r"--extra (\w+)", rest))
    elif instruction == "CMD":
        command = tuple(json.loads(rest))
    elif instruction == "USER":
        user = rest
    elif instruction == "COPY" and not rest.startswith("--from"):
        copied |= set(rest.split()[:-1])
    return Target(extras, command, user, copied)
