"""The sweep over 5,000 fine-tunes that are open at the provider: its requests, its seconds, and how it grows."""

import os
import statistics
import time
from typing import Final

from shared.db.pool import get_database
from shared.llm.connection import Provider, client_of
from shared.llm.policy import llm_policy
from shared.loop.providers import Sweep
from tests.bench.harness import ROUNDS, Bench
from tests.support.chaos import SERVER, Chaos
from tests.support.fault_provider import FaultProvider
from tests.support.open_runs import add_open_runs

_OPEN: Final = 5000
_SINGLE: Final = 200  # of the bare way only so many are asked, and their time is taken for all


def run(bench: Bench) -> None:
    """Sweep over 5,000 open runs, all of them changed the first time and none later, over one question a job."""
    os.environ.setdefault("ARTIFACTS_URL", (bench.folder / "artifacts").as_uri())
    database = get_database()
    requests: dict[int, int] = {}

    def seconds(count: int, *, changed: bool) -> float:
        with database.transaction() as conn:
            conn.execute("DELETE FROM provider_jobs WHERE server = %s", [SERVER])
            conn.execute("DELETE FROM jobs WHERE kind = 'chaos.finetune'")
        with FaultProvider() as provider, Chaos(database, provider, timeout_s=10) as chaos:
            add_open_runs(chaos, count)
            for sweep in range(1 if changed else 2):
                started = time.perf_counter()
                swept = Sweep(database, lambda: chaos.remote, SERVER, llm_policy().life_cycle).run()
                took = time.perf_counter() - started
                assert sweep or swept.changed == min(count, _OPEN)
            requests[count] = swept.requests
            return took

    changed = statistics.median(seconds(_OPEN, changed=True) for _ in range(ROUNDS))
    quiet = statistics.median(seconds(_OPEN, changed=False) for _ in range(ROUNDS))
    double = statistics.median(seconds(2 * _OPEN, changed=False) for _ in range(ROUNDS))
    single = _one_by_one()
    bench.note(
        f"sweep of {_OPEN:,} open fine-tunes: requests, over one a job",
        f"{_OPEN:,}", str(requests[_OPEN]), f"{requests[_OPEN] / _OPEN:.3f}", "≤ 51 requests",
    )  # fmt: skip
    bench.note(
        f"sweep of {_OPEN:,} open fine-tunes: time, over one request a job (all changed: {changed:.2f} s)",
        f"{single:,.1f} s", f"{quiet:.2f} s", f"{quiet / single:.3f}", "",
    )  # fmt: skip
    bench.note(
        f"sweep of {2 * _OPEN:,}, of which the newest {_OPEN:,} are seen, over {_OPEN:,}",
        f"{quiet:.2f} s", f"{double:.2f} s", f"{double / quiet:.2f}", "≤ 2.1",
    )  # fmt: skip


def _one_by_one() -> float:
    """Return the seconds that 5,000 bare requests for one job each would take with the SDK."""
    with FaultProvider() as provider:
        ids = provider.add_jobs(_SINGLE, metadata=lambda _: {})
        jobs = client_of(Provider(name="bare", base_url=provider.url, api_key="any")).fine_tuning.jobs
        jobs.retrieve(ids[0])
        started = time.perf_counter()
        for job_id in ids:
            jobs.retrieve(job_id)
        return (time.perf_counter() - started) / _SINGLE * _OPEN
