"""Predictions a second of ``dedup.predict``, uncached and cached, over the same completions alone.

The provider is in this process and answers at once, so what is left is the way there. Alone, the completions are asked
as many at once, with their cache, limits and budget; no file is read, no prediction is recorded, no job is run.
"""

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg

from shared import registry
from shared.contracts import Path as AnswerPath
from shared.db.pool import get_database
from shared.llm.tuned import completions_of
from shared.pipelines.dedup.model import PairModel
from shared.pipelines.dedup.pair import Pair, pair_of
from shared.pipelines.dedup.policy import policy
from shared.settings import get_settings
from tests.bench.harness import Bench
from tests.bench.steps import finish
from tests.shared.pipelines.dedup.desk import Desk
from tests.shared.pipelines.dedup.teacher import TUNED, activate, by_first_word, fresh_clients
from tests.support.fault_provider import FaultProvider

_PAIRS: Final = 400
_PROVIDER: Final = "127.0.0.1"
_REMEMBERED: Final = (get_settings, registry.pipelines, registry.steps)
_NAMES: Final = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "LLM_REQUESTS_PER_MINUTE")


def run(bench: Bench) -> None:
    """Ask about 400 pairs, each new to the cache, then each in it."""
    with FaultProvider() as provider, tempfile.TemporaryDirectory() as folder:
        provider.answer = by_first_word
        os.environ |= dict(zip(_NAMES, (provider.url, "sk-bench", "1000000"), strict=True))
        _forget()
        try:
            with fresh_clients():
                _measure(bench, Path(folder))
        finally:
            for name in _NAMES:
                del os.environ[name]
            _forget()


def _measure(bench: Bench, folder: Path) -> None:
    desk = Desk(get_database())
    activate(desk, folder)
    pairs = [pair_of(f"Shop {n % 7} waits {n} days", f"Shop {n % 5} waits {n} weeks", 0.9) for n in range(_PAIRS)]
    upload = desk.upload(b"".join(pair.model_dump_json().encode() + b"\n" for pair in pairs))
    step = partial(finish, "dedup.predict", pairs=upload)
    alone = partial(_alone, pairs)
    what = "dedup.predict of {} pairs {} (read, answered, recorded), over their completions alone"
    bench.compare(
        what.format(_PAIRS, "nobody asked about before"),
        partial(_rate, step, forget=True), partial(_rate, alone, forget=True), "≥ 0.7", unit=" predictions/s",
    )  # fmt: skip
    bench.compare(
        what.format(_PAIRS, "found in the cache"), partial(_rate, step), partial(_rate, alone), "≥ 0.5",
        unit=" predictions/s",
    )  # fmt: skip
    with psycopg.connect(get_settings().dsn()) as conn:
        found = conn.execute("SELECT path, count(*) FROM model_predictions GROUP BY 1").fetchall()
    assert {path for path, _ in found} == {AnswerPath.MODEL.value, AnswerPath.CACHE.value}, "none fell back"


def _alone(pairs: list[Pair]) -> None:
    model, at_once = PairModel(TUNED, completions_of(_PROVIDER)), policy().model.batch
    for start in range(0, len(pairs), at_once):
        assert all(each.answer for each in model.said(pairs[start : start + at_once]))


def _rate(action: Callable[[], Any], *, forget: bool = False) -> float:
    if forget:
        with psycopg.connect(get_settings().dsn(), autocommit=True) as conn:
            conn.execute("TRUNCATE llm_answers")
    started = time.perf_counter()
    action()
    return _PAIRS / (time.perf_counter() - started)


def _forget() -> None:
    for remembered in _REMEMBERED:
        remembered.cache_clear()
