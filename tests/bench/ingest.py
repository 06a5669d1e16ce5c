"""Statements a second of ``dedup.ingest``, over plain requests for their vectors and one COPY.

The provider is in this process and answers at once. The plain way checks no line, keeps no vector for the next time,
looks for no duplicate and links no source.
"""

import base64
import hashlib
import http.client
import json
import os
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg

from shared import registry
from shared.db.pool import get_database
from shared.settings import get_settings
from tests.bench.harness import Bench
from tests.bench.steps import finish
from tests.shared.pipelines.dedup.desk import Desk
from tests.shared.pipelines.dedup.teacher import fresh_clients
from tests.support.fault_provider import FaultProvider

_DIMENSIONS: Final = 384
_STORED: Final = 10_000
_CHECKED: Final = 300
_BATCH: Final = 100
_REMEMBERED: Final = (get_settings, registry.pipelines, registry.steps)
_NAMES: Final = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "LLM_REQUESTS_PER_MINUTE")


def run(bench: Bench) -> None:
    """Store 10,000 statements, then check 300 against them."""
    with FaultProvider() as provider:
        provider.vector = _vector
        os.environ |= dict(zip(_NAMES, (provider.url, "sk-bench", "1000000"), strict=True))
        _forget()
        try:
            with fresh_clients():
                _measure(bench, provider.url)
        finally:
            for name in _NAMES:
                del os.environ[name]
            _forget()


def _measure(bench: Bench, url: str) -> None:
    desk = Desk(get_database())
    many, few = list(_statements(0, _STORED)), list(_statements(_STORED, _STORED + _CHECKED))
    stored, checked = (desk.upload(_lines(some)) for some in (many, few))
    bench.compare(
        f"dedup.ingest of {_STORED:,} statements, mode off (checked, vectors kept, sources linked), over their vectors"
        " and one COPY",
        partial(_rate, _STORED, partial(finish, "dedup.ingest", file=stored, mode="off")),
        partial(_rate, _STORED, partial(_plain, url, many)),
        "≥ 0.3", unit=" statements/s",
    )  # fmt: skip
    finish("dedup.ingest", file=stored, mode="off")
    started = time.perf_counter()
    finish("dedup.ingest", file=checked, mode="assist")
    rate = _CHECKED / (time.perf_counter() - started)
    bench.note(
        f"dedup.ingest of {_CHECKED} statements, each checked against {_STORED:,} insights by similarity", "-",
        f"{rate:,.4g} statements/s", "-", "≥ 50 statements/s",
    )  # fmt: skip


def _forget() -> None:
    for remembered in _REMEMBERED:
        remembered.cache_clear()


def _rate(count: int, action: Callable[[], Any]) -> float:
    with psycopg.connect(get_settings().dsn(), autocommit=True) as conn:
        conn.execute("TRUNCATE llm_embeddings, insights, incoming_statements, sources CASCADE")
    started = time.perf_counter()
    action()
    return count / (time.perf_counter() - started)


def _statements(start: int, stop: int) -> Iterator[str]:
    for number in range(start, stop):
        yield f"Statement {number}: shop {number % 977} had {number * 7919 % 10_007} returns in week {number % 53}."


def _lines(statements: list[str]) -> bytes:
    rows = ({"statement": text, "source": f"source {n % 50}", "locator": str(n)} for n, text in enumerate(statements))
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _vector(text: str) -> list[float]:
    seed = b"".join(hashlib.sha256(f"{n}{text}".encode()).digest() for n in range(_DIMENSIONS // 32))
    return [byte / 127.5 - 1 for byte in seed]


def _plain(url: str, statements: list[str]) -> None:
    place = urlsplit(url)
    line = http.client.HTTPConnection(str(place.hostname), place.port)
    headers = {"Authorization": "Bearer sk-bench", "Content-Type": "application/json"}
    with psycopg.connect(get_settings().dsn()) as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS plain (statement text, embedding vector)")
        conn.execute("TRUNCATE plain")
        with conn.cursor().copy("COPY plain FROM STDIN") as copy:
            for start in range(0, len(statements), _BATCH):
                batch = statements[start : start + _BATCH]
                body = json.dumps({"model": "m", "input": batch, "encoding_format": "base64"})
                line.request("POST", f"{place.path}/embeddings", body, headers)
                for text, told in zip(batch, json.loads(line.getresponse().read())["data"], strict=True):
                    vector = struct.unpack(f"<{_DIMENSIONS}f", base64.b64decode(told["embedding"]))
                    copy.write_row((text, str(list(vector))))
    line.close()
