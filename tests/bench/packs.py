"""Completions a second of ``stages.run-packs``, over plain requests: a provider that answers at once, in this process.

Plain requests are sent as many at once, over connections that are kept, and their answers are only received: no cache,
no budget, no guard, no rows.
"""

import http.client
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import local
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg

from shared import registry
from shared.contracts import JsonObject
from shared.db.pool import get_database
from shared.llm.completions import _completions_of, default_completions
from shared.pipelines.stages.packs import write_packs
from shared.pipelines.stages.versions import STAGES
from shared.settings import get_settings
from tests.bench.harness import Bench
from tests.bench.steps import finish
from tests.shared.pipelines.stages.made import answer, input_of, pack
from tests.shared.pipelines.stages.office import Office
from tests.support.fault_provider import FaultProvider

_PACKS: Final = 40
_AT_ONCE: Final = 8
_COMPLETIONS: Final = _PACKS * len(STAGES)
_REMEMBERED: Final = (get_settings, registry.pipelines, registry.steps, _completions_of)


def run(bench: Bench) -> None:
    """Measure a run of 40 packs, 200 completions."""
    with FaultProvider() as provider, tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk-bench", "LLM_REQUESTS_PER_MINUTE": "1000000",
        }  # fmt: skip
        _forget()
        try:
            office = Office(get_database())
            for stage in STAGES:
                office.activate(Path(folder), stage)
            upload = office.upload(write_packs(pack(n) for n in range(_PACKS)))
            asked = _listened(provider, upload)
            bench.compare(
                "stages.run-packs (cache, budget, guard, rows), over plain requests, 8 at once",
                partial(_rate, partial(_run_packs, upload)), partial(_rate, partial(_plain, provider.url, asked)),
                "≥ 100 completions/s", unit=" completions/s",
            )  # fmt: skip
        finally:
            default_completions().close()
            for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "LLM_REQUESTS_PER_MINUTE"):
                del os.environ[name]
            _forget()


def _listened(provider: FaultProvider, upload: str) -> list[bytes]:
    """Return the requests that a run sends."""
    bodies: list[bytes] = []

    def listen(body: JsonObject) -> str:
        bodies.append(json.dumps(body).encode())
        return answer(input_of(body))

    provider.answer = listen
    _run_packs(upload)
    provider.answer = lambda body: answer(input_of(body))
    return bodies


def _forget() -> None:
    for remembered in _REMEMBERED:
        remembered.cache_clear()


def _rate(action: Callable[[], Any]) -> float:
    with psycopg.connect(get_settings().dsn(), autocommit=True) as conn:
        conn.execute("TRUNCATE llm_answers, stage_rows")
    started = time.perf_counter()
    action()
    return _COMPLETIONS / (time.perf_counter() - started)


def _run_packs(upload: str) -> None:
    finish("stages.run-packs", packs=upload, iterations=str(_PACKS), min_industries="1")


def _plain(url: str, bodies: list[bytes]) -> None:
    place, kept = urlsplit(url), local()

    def ask(body: bytes) -> None:
        if not hasattr(kept, "line"):
            kept.line = http.client.HTTPConnection(str(place.hostname), place.port)
        headers = {"Authorization": "Bearer sk-bench", "Content-Type": "application/json"}
        kept.line.request("POST", f"{place.path}/chat/completions", body, headers)
        reply = kept.line.getresponse()
        assert json.loads(reply.read())["choices"]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(ask, bodies))
