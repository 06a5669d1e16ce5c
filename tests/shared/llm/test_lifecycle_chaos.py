"""Every moment at which a worker can die and every fault of the provider: never two billed jobs for a run."""

import os
from collections.abc import Iterator

import pytest

from shared.db.pool import Database
from shared.settings import Settings
from tests.support.chaos import Chaos, Ending
from tests.support.fault_provider import FaultProvider

SEEDS = int(os.environ.get("CHAOS_SEEDS", "2000"))
BLOCKS = 16


@pytest.fixture
def chaos(database: Database, settings: Settings) -> Iterator[Chaos]:
    with FaultProvider() as provider, Chaos(database, provider) as made:
        yield made


@pytest.mark.slow(8)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_a_run_is_never_billed_twice(chaos: Chaos, block: int) -> None:
    endings = {}
    for seed in range(block, SEEDS, BLOCKS):
        endings[seed] = chaos.live(seed)
        _judge(seed, endings[seed], chaos)
        chaos.provider._jobs.clear()  # a provider's history would only make the lists longer
    assert sum(ending.crashes for ending in endings.values()) > len(endings) / 2
    assert sum(ending.run.state == "succeeded" for ending in endings.values()) > len(endings) / 3


def _judge(seed: int, ending: Ending, chaos: Chaos) -> None:
    run = ending.run
    said = f"seed {seed}: {run.state}, billed {ending.billed}, {ending.attempts} attempts, {ending.accepted} accepted"
    assert len(ending.billed) <= 1, said
    assert not run.is_open or run.parked_at, said
    if run.state == "cancelled":
        assert ending.billed == [], said
    if run.state == "succeeded":
        assert ending.billed == [run.provider_job_id], said
    with chaos.database.reading() as conn:
        kinds = conn.execute("SELECT kind FROM spend WHERE reference = %s", [run.id]).fetchall()
    paid = run.state in ("succeeded", "failed_after_training")
    assert kinds == ([("booked",)] if paid else [("reserved",)] if run.is_open else []), said
