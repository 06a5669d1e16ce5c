"""Queries answered through the inference worker, over a bare endpoint that calls the model in its own process."""

import statistics
from datetime import UTC, datetime

import httpx

from shared.artifact_stores import open_store
from shared.pipelines.router.sample import write_jsonl
from shared.settings import get_settings
from tests.bench.harness import ROUNDS, Bench
from tests.bench.load import Measured, load, post
from tests.bench.steps import finish
from tests.bench.submit import start_api, start_bare
from tests.support.waiting import wait_until

_QUERY = "Compare the two approaches and prove which of them needs fewer steps when n = 12, and say why."
_ROWS = 3000
_CLIENTS = (1, 16, 64)


def run(bench: Bench) -> None:
    """Train a model, then compare latency and throughput at 1, 16 and 64 clients."""
    _promote_a_model(bench)
    bench.processes.worker("inference")
    ours = start_api(bench)
    bare = start_bare(bench, "predict")
    mine, theirs = post("/api/query", {"query": _QUERY}, ours.key), post("/predict", {"query": _QUERY})
    _await_model(ours.client())
    for clients in _CLIENTS:
        load(ours.port, mine, clients=clients, seconds=1)
        pairs = [(load(bare, theirs, clients=clients), load(ours.port, mine, clients=clients)) for _ in range(ROUNDS)]
        _note(bench, clients, pairs)


def _note(bench: Bench, clients: int, pairs: list[tuple[Measured, Measured]]) -> None:
    for share in (0.5, 0.99):
        both = [(b.percentile_ms(share), o.percentile_ms(share)) for b, o in pairs]
        target = "≤ 3" if (clients, share) == (1, 0.5) else "-"
        _note_medians(bench, f"query, {clients} clients, p{share * 100:.0f}", both, target, " ms")
    rates = [(b.per_second, o.per_second) for b, o in pairs]
    _note_medians(
        bench, f"query, {clients} clients, throughput", rates, "≥ 0.7" if clients == _CLIENTS[-1] else "-", "/s"
    )


def _note_medians(bench: Bench, what: str, pairs: list[tuple[float, float]], target: str, unit: str) -> None:
    bare, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(mine / theirs for theirs, mine in pairs)
    bench.note(what, f"{bare:,.4g}{unit}", f"{ours:,.4g}{unit}", f"{ratio:.2f}", target)


def _promote_a_model(bench: Bench) -> None:
    """Import the sample, retrain, promote: the product's own steps, run in this process."""
    source = bench.folder / "sample"
    source.mkdir()
    write_jsonl(source / "sample.jsonl", rows=_ROWS, seed=1, now=datetime.now(UTC))
    settings = get_settings()
    upload = open_store(settings.artifacts(), settings).put_folder("upload", source, {})
    finish("router.import", upload=upload, format="jsonl")
    finish("router.retrain")


def _await_model(client: httpx.Client) -> None:
    def served() -> bool:
        answer = client.post("/api/query", json={"query": _QUERY}).json()
        return bool(answer["path"] == "model")

    wait_until(served, timeout=30)
