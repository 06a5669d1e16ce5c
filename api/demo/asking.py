"""Asks many queries at once and keeps the time that each answer took."""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from api.commands.client import Api
from api.commands.errors import CommandError
from shared.contracts import JsonObject

_CLIENTS = 4
_POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What came back: the answers in the order of the queries, and how long each took (milliseconds)."""

    answers: Sequence[JsonObject]
    milliseconds: Sequence[float]

    @property
    def paths(self) -> Counter[str]:
        """How many answers came each way (``model``, ``fallback``)."""
        return Counter(answer["path"] for answer in self.answers)

    def percentile(self, rank: int) -> float:
        """Return the time within which ``rank`` per cent of the answers came (milliseconds)."""
        return statistics.quantiles(self.milliseconds, n=100, method="inclusive")[rank - 1]


def ask_all(api: Api, queries: Sequence[str]) -> Answered:
    """Ask the router all queries (at least two), from a few clients at once."""
    with ThreadPoolExecutor(_CLIENTS) as clients:
        timed = list(clients.map(lambda query: _ask(api, query), queries))
    return Answered(answers=[answer for answer, _ in timed], milliseconds=[spent for _, spent in timed])


def _ask(api: Api, query: str) -> tuple[JsonObject, float]:
    start = time.perf_counter()
    answer = api.post("/api/query", {"query": query}, once=False)
    return answer, (time.perf_counter() - start) * 1000


def wait_for_version(api: Api, version: str, query: str, *, seconds: float) -> None:
    """Ask until this model version answers.

    Raises ``CommandError`` when another one still answers after that many seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer, _ = _ask(api, query)
        if answer["modelVersion"] == version:
            return
        if time.monotonic() > deadline:
            raise CommandError(f"model {version} does not answer after {seconds:.0f} s (path {answer['path']})")
        time.sleep(_POLL_SECONDS)
