"""What Prometheus reads: the ledger's counts, the queues' depths, the answers given by this process."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from api.recorder import Recorder
from shared.db import job_stats
from shared.db.pool import Database
from shared.errors import UnavailableError
from workers.dispatch import queue_depths

log = structlog.get_logger()

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_FRESH_S: Final = 5.0  # counting all jobs is not free: several scrapers share one count


class Metrics:
    """Renders the metrics of this front; a part that is down costs its own figures only."""

    def __init__(self, database: Database, recorder: Recorder) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Ledger(database))
        self._registry.register(_Answers(recorder))
        ProcessCollector(registry=self._registry)

    def render(self) -> bytes:
        """Return the text that a scrape gets."""
        return generate_latest(self._registry)


class _Answers(Collector):
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def collect(self) -> Iterable[Metric]:
        counter = CounterMetricFamily(
            "tuneyard_predictions", "Answers given by this process, by path.", labels=["pipeline", "path"]
        )
        for (pipeline, path), count in list(self._recorder.answered.items()):
            counter.add_metric([pipeline, path], count)
        yield counter


class _Ledger(Collector):
    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._counted: list[Metric] = []
        self._counted_at = float("-inf")

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            if time.monotonic() - self._counted_at > _FRESH_S:
                self._counted = list(self._count())
                self._counted_at = time.monotonic()
            return self._counted

    def _count(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("tuneyard_part_up", "Whether a part answers (1) or not (0).", labels=["part"])
        for part, count in (("postgres", self._jobs), ("redis", _messages)):
            found = _tried(count)
            up.add_metric([part], 0 if found is None else 1)
            yield from found or ()
        yield up

    def _jobs(self) -> list[Metric]:
        with self._database.reading() as conn:
            tally, durations = job_stats.tally(conn), job_stats.durations(conn)
            backlog = job_stats.backlog(conn)
        jobs = GaugeMetricFamily("tuneyard_jobs", "Jobs by step and state.", labels=["step", "state"])
        for kind, state, count in tally:
            jobs.add_metric([kind, state], count)
        took = SummaryMetricFamily(
            "tuneyard_job_duration_seconds", "From first start to success, by step.", labels=["step"]
        )
        for kind, count, seconds in durations:
            took.add_metric([kind], count_value=count, sum_value=seconds)
        due = GaugeMetricFamily("tuneyard_queue_due_jobs", "Jobs that wait for a worker.", labels=["queue"])
        oldest = GaugeMetricFamily(
            "tuneyard_queue_oldest_seconds", "How long the oldest due job has waited.", labels=["queue"]
        )
        for queue, count, age in backlog:
            due.add_metric([queue], count)
            oldest.add_metric([queue], age)
        return [jobs, took, due, oldest]


def _messages() -> list[Metric]:
    messages = GaugeMetricFamily("tuneyard_broker_messages", "Messages in the broker's queues.", labels=["queue"])
    for queue, depth in queue_depths().items():
        messages.add_metric([queue], depth)
    return [messages]


def _tried(count: Callable[[], list[Metric]]) -> list[Metric] | None:
    try:
        return count()
    except UnavailableError as error:
        log.warning("metrics are incomplete", reason=error.message)
        return None
