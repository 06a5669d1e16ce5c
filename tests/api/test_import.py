"""Sending a file: it streams through the front, and all of it goes in or nothing."""

import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from shared.settings import Settings
from shared.stack.process import ChildProcess
from tests.api.conftest import Front
from tests.support.waiting import wait_until

CSV = {"Content-Type": "text/csv"}
JSONL = {"Content-Type": "application/x-ndjson; charset=utf-8"}


@pytest.fixture
def front_settings(settings: Settings, probe_pipeline: None) -> Settings:
    return settings.model_copy(update={"max_upload_bytes": 3_000_000})


def _count(front: Front) -> int:
    row = front.database.read(lambda conn: conn.execute("SELECT count(*) FROM ml_data").fetchone())
    assert row
    return int(row[0])


def _lines(count: int) -> Iterator[bytes]:
    yield b"query,label\n"
    for n in range(count):
        yield f"What is {n} + {n}?,EASY\n".encode()


def test_a_file_is_imported_once_and_bad_ones_not_at_all(
    front: Front, client: httpx.Client, worker: Callable[..., ChildProcess]
) -> None:
    worker("db")
    wait = {"Prefer": "wait=30"}
    first = client.post("/v1/router/import", content=_lines(500), headers=CSV | wait)
    assert (first.status_code, first.json()["state"]) == (200, "succeeded")
    assert (first.json()["result"]["rows"], first.json()["result"]["new"], _count(front)) == (500, 500, 500)

    again = client.post("/v1/router/import", content=_lines(500), headers=CSV | wait).json()
    assert (again["result"]["new"], _count(front)) == (0, 500)
    assert again["result"]["upload"] == first.json()["result"]["upload"]

    lines = b'{"query": "What is love?", "label": "HARD"}\n{"query": "", "label": "EASY"}\n'
    bad = client.post("/v1/router/import", content=lines, headers=JSONL | wait).json()
    assert (bad["state"], bad["error"]["code"], _count(front)) == ("failed", "import-refused", 500)
    assert [line["line"] for line in bad["error"]["details"]["lines"]] == [2]


def test_the_same_upload_under_one_key_is_one_job(client: httpx.Client) -> None:
    key = {"Idempotency-Key": "upload"}
    jobs = [client.post("/v1/router/import", content=_lines(3), headers=CSV | key).json()["id"] for _ in range(2)]
    assert jobs[0] == jobs[1]
    other = client.post("/v1/router/import", content=_lines(4), headers=CSV | key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


def test_a_file_over_the_limit_is_refused_while_it_comes(front: Front, client: httpx.Client) -> None:
    answer = client.post("/v1/router/import", content=(b"x" * 100_000 for _ in range(100)), headers=CSV)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert client.get("/v1/jobs").json()["items"] == []


@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
def test_another_kind_of_file_is_refused(client: httpx.Client, kind: str) -> None:
    answer = client.post("/v1/router/import", content=b"x", headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


def test_a_file_that_breaks_off_leaves_nothing(front: Front, client: httpx.Client, settings: Settings) -> None:
    address = urlsplit(front.url)
    head = f"POST /v1/router/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {front.key()}\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(f"{head}Content-Type: text/csv\r\nContent-Length: 2500000\r\n\r\n".encode())
        connection.sendall(b"query,label\n" + b"What is love?,HARD\n" * 100_000)
        folder = settings.tuneyard_home / "artifacts"
        wait_until(lambda: any(path.is_file() for path in folder.rglob("*")))
    wait_until(lambda: not any(path.is_file() for path in folder.rglob("*")))
    assert client.get("/v1/jobs").json()["items"] == []
