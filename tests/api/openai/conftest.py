"""The official SDK against a running front. Every answer that it gets is held to OpenAI's own description."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import httpx2
import pytest
from jsonschema import Draft202012Validator
from openai import OpenAI

from shared import jobs
from shared.contracts import Scope
from shared.jobs import Job
from tests.api.conftest import Front
from tests.support.shared_data import shared_data
from workers.unit import run_job

SUBSET: Final = shared_data("openai-openapi", "subset.json")
PREFIX: Final = "/openai/v1"


@cache
def description() -> dict[str, Any]:
    if not SUBSET.exists():
        pytest.skip("OpenAI's description is not here (set TUNEYARD_SHARED_DATA to the folder above it)")
    loaded: dict[str, Any] = json.loads(SUBSET.read_text(encoding="utf-8"))
    return loaded


@cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    """OpenAI's paths as patterns, those without parameters first. A model's name may hold slashes."""
    paths = sorted(description()["paths"], key=lambda path: "{" in path)
    return [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), path) for path in paths]


def fits(schema: dict[str, Any], value: Any) -> None:
    Draft202012Validator({**schema, "components": description()["components"]}).validate(value)


def hold_to_description(response: httpx2.Response) -> None:
    """Check an answer against the schema that OpenAI publishes for its path and status."""
    if response.headers["content-type"].startswith(("text/event-stream", "application/octet-stream")):
        return
    body = json.loads(response.read())
    assert response.headers["content-type"] == "application/json"
    if response.is_error:
        fits({"$ref": "#/components/schemas/ErrorResponse"}, body)
        assert set(body["error"]) == {"message", "type", "param", "code"}
        return
    asked = response.request.url.path.removeprefix(PREFIX)
    if asked == "/embeddings":  # the SDK asks for base64, of which the description says nothing
        for item in body["data"]:
            item["embedding"] = item["embedding"] if isinstance(item["embedding"], list) else []
    template = next(path for pattern, path in _paths() if pattern.fullmatch(asked))
    operation = description()["paths"][template][response.request.method.lower()]
    fits(operation["responses"]["200"]["content"]["application/json"]["schema"], body)


@dataclass(frozen=True)
class Shop:
    """A front, a client of the official SDK on it, and this process as the worker of its queues."""

    front: Front
    client: OpenAI

    def work(self) -> None:
        """Run everything that is due."""
        while due := self._due():
            for job_id in due:
                run_job(job_id)

    def job_of(self, fine_tune: str) -> Job:
        with self.front.database.reading() as conn:
            row = conn.execute("SELECT job_id FROM fine_tunes WHERE id = %s", [fine_tune]).fetchone()
            assert row
            return jobs.get(conn, row[0])

    def upload(self, lines: bytes, name: str = "train.jsonl") -> str:
        return self.client.files.create(file=(name, lines), purpose="fine-tune").id

    def _due(self) -> list[str]:
        with self.front.database.reading() as conn:
            sql = "SELECT id FROM jobs WHERE state IN ('queued', 'waiting') AND run_at <= now()"
            return [row[0] for row in conn.execute(sql)]


@pytest.fixture
def sdk(front: Front) -> Iterator[Callable[..., OpenAI]]:
    """Make clients of the official SDK, which repeat nothing."""
    made: list[OpenAI] = []

    def client(key: str | None = None) -> OpenAI:
        http = httpx2.Client(trust_env=False, event_hooks={"response": [hold_to_description]})
        key = key or front.key(Scope.SUBMIT)
        made.append(OpenAI(base_url=front.url + PREFIX, api_key=key, max_retries=0, timeout=30, http_client=http))
        return made[-1]

    yield client
    for each in made:
        each.close()


@pytest.fixture
def shop(front: Front, sdk: Callable[..., OpenAI]) -> Shop:
    return Shop(front, sdk())


def chat_line(question: str, answer: str) -> bytes:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": messages}).encode() + b"\n"


def pair_line(question: str, better: str, worse: str) -> bytes:
    line = {
        "input": {"messages": [{"role": "user", "content": question}]},
        "preferred_output": [{"role": "assistant", "content": better}],
        "non_preferred_output": [{"role": "assistant", "content": worse}],
    }
    return json.dumps(line).encode() + b"\n"


@pytest.fixture
def colours() -> bytes:
    """A training file of forty questions with two answers."""
    return b"".join(
        chat_line(f"What colour has the {thing} number {n}?", "blue" if thing == "sky" else "green")
        for n in range(20)
        for thing in ("sky", "meadow")
    )
