"""Durable submits over bare endpoints: one INSERT a request, validation alone, and the usual INSERT and ``delay()``."""

from functools import partial

from shared.contracts import Queue, Scope
from shared.db.pool import get_database
from shared.keys import create_key
from shared.stack.ports import free_port
from tests.bench.harness import Bench
from tests.bench.load import Measured, load, post
from tests.support.processes import ApiServer
from tests.support.waiting import wait_until
from workers import dispatch

_BODY = {"surface": "default"}


def run(bench: Bench) -> None:
    """Measure at 1, 32 and 128 clients, then at 32 with Redis frozen. No worker runs: jobs pile up in the ledger."""
    ours = start_api(bench)
    bare = start_bare(bench)
    mine = post("/v1/router/evaluate", _BODY, ours.key)
    insert, validate, usual = (post(path, _BODY) for path in ("/insert", "/validate", "/usual"))
    for clients, over_insert in ((1, "≥ 1"), (32, "≥ 1.5"), (128, "≥ 2")):
        bench.compare(
            f"durable submits, {clients} clients, over one INSERT a request",
            partial(_rate, ours.port, mine, clients), partial(_rate, bare, insert, clients), over_insert,
        )  # fmt: skip
    for clients in (32, 128):
        bench.compare(
            f"durable submits, {clients} clients, over validation alone",
            partial(_rate, ours.port, mine, clients), partial(_rate, bare, validate, clients), "≥ 0.6",
        )  # fmt: skip
    bench.compare(
        "durable submits, 32 clients, over INSERT and delay() in a thread",
        partial(_rate, ours.port, mine, 32), partial(_rate, bare, usual, 32), "≥ 5",
    )  # fmt: skip
    _with_redis_frozen(bench, ours.port, mine)


def start_api(bench: Bench) -> ApiServer:
    """Start the front."""
    with get_database().transaction() as conn:
        _, key = create_key(conn, "bench", [Scope.ADMIN])
    return ApiServer(bench.processes, key)


def start_bare(bench: Bench, *arguments: str) -> int:
    """Start the bare front; return its port."""
    port = free_port()
    process = bench.processes.python("-m", "tests.bench.bare_api", str(port), *arguments)

    def answers() -> bool:
        try:
            return bool(load(port, post("/validate", _BODY), clients=1, seconds=0).per_second)
        except OSError:
            return False

    bench.processes.wait_for(process, answers)
    return port


def _rate(port: int, request: bytes, clients: int) -> float:
    _forget_messages()
    return load(port, request, clients=clients).per_second


def _forget_messages() -> None:
    """Empty the queues, which nobody reads here, so that every round meets the same Redis."""
    dispatch.broker().delete(*(dispatch.queue_key(queue) for queue in (Queue.DB, Queue.GPU)))


def _with_redis_frozen(bench: Bench, port: int, request: bytes) -> None:
    usual = load(port, request, clients=32)
    bench.redis.freeze()
    try:
        frozen = _several(port, request)
    finally:
        bench.redis.thaw()
    wait_until(lambda: dispatch.broker().ping(), timeout=30)
    bench.note(
        "p99 of a submit while Redis is frozen, 32 clients (bare: while it answers)",
        f"{usual.percentile_ms(0.99):.1f} ms", f"{frozen.percentile_ms(0.99):.1f} ms",
        f"{frozen.percentile_ms(0.99) / usual.percentile_ms(0.99):.2f}", "≤ 200 ms",
    )  # fmt: skip


def _several(port: int, request: bytes) -> Measured:
    """Go on for longer than any time-out of the front's."""
    return load(port, request, clients=32, seconds=10)
