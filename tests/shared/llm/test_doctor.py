"""What the doctor finds, decided purely: our runs and the provider's jobs go in, differences come out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.db.provider_jobs import ProviderJob
from shared.llm.connection import Provider
from shared.llm.doctor import Ledger, Listing, compare, lines, read_lists
from shared.llm.fine_tunes import RemoteJob, Unreachable
from shared.llm.openai_fine_tunes import OpenAIFineTunes
from tests.support.fault_provider import Fault, FaultProvider

NOW = datetime(2026, 12, 1, tzinfo=UTC)
SERVER = "openai"


def run(**given: Any) -> ProviderJob:
    facts: dict[str, Any] = {
        "id": "pj_1", "job_id": "job_1", "request_hash": "h", "state": "polling", "pipeline": "gold",
        "surface": "default", "dataset_id": "ds_1", "provider": "openai", "server": SERVER, "base_model": "m",
        "method": "supervised", "suffix": "s", "seed": None, "hyperparameters": {}, "files": {}, "file_sha256": "0",
        "row_count": 1, "tokens": 1, "estimated_usd": 0.1, "file_id": "file-1", "creates": 1, "creating_since": None,
        "empty_lists": 0, "parked_at": None, "cancel_requested": False, "provider_job_id": "ftjob-1",
        "provider_status": None, "fine_tuned_model": None, "trained_tokens": None, "cost_usd": None, "error": None,
        "events_at": None, "last_seen_at": NOW, "created_at": NOW, "finished_at": None,
    }  # fmt: skip
    return ProviderJob(**facts | given)


def job(**given: Any) -> RemoteJob:
    facts: dict[str, Any] = {
        "id": "ftjob-1", "status": "running", "model": "m", "training_file": "file-1", "created_at": NOW,
        "run_id": "pj_1",
    }  # fmt: skip
    return RemoteJob(**facts | given)


def kinds(
    runs: list[ProviderJob], jobs: list[RemoteJob], *, complete: bool = True, driver: str | None = "waiting"
) -> list[tuple[str, str]]:
    ledger = Ledger(server=SERVER, runs=runs, drivers={one.id: driver for one in runs}, now=NOW)
    return [(found.kind, found.level) for found in compare(ledger, Listing(jobs=jobs, complete=complete))]


def test_agreement_is_no_finding() -> None:
    done = {"state": "succeeded", "finished_at": NOW, "fine_tuned_model": "ft:m"}
    assert kinds([], []) == []
    assert kinds([run()], [job()]) == []
    assert kinds([run()], [job(status="paused")]) == []
    assert kinds([run(**done)], [job(status="succeeded", fine_tuned_model="ft:m")]) == []
    assert kinds([run(**done)], []) == []  # providers forget what is old
    assert kinds([run(state="upload", provider_job_id=None)], []) == []
    assert kinds([run(state="failed", finished_at=NOW, provider_job_id=None)], [job(status="cancelled")]) == []
    assert kinds([run()], [job(), job(id="ftjob-2", status="cancelled")]) == []  # a second one, dealt with


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        ({}, [{"status": "succeeded", "fine_tuned_model": "ft:m"}], [("status-differs", "wrong")]),
        ({}, [{"status": "failed"}], [("status-differs", "wrong")]),
        ({"state": "cancelled", "finished_at": NOW}, [{}], [("still-running", "wrong")]),
        (
            {"state": "cancelled", "finished_at": NOW},
            [{"status": "succeeded", "fine_tuned_model": "ft:m"}],
            [("status-differs", "note")],
        ),
        ({}, [{}, {"id": "ftjob-2"}], [("two-jobs", "wrong")]),
        ({}, [{}, {"id": "ftjob-2", "run_id": None}], [("two-jobs", "wrong")]),  # found by its file
        ({"state": "create_unknown", "provider_job_id": None}, [{}], [("not-adopted", "wrong")]),
        ({"state": "failed", "finished_at": NOW, "provider_job_id": None}, [{}], [("still-running", "wrong")]),
        ({}, [], [("unknown-there", "wrong")]),
        ({"state": "create_unknown", "provider_job_id": None}, [], [("create-unknown", "note")]),
        (
            {"state": "create_unknown", "provider_job_id": None, "parked_at": NOW},
            [],
            [("create-unknown", "wrong")],
        ),
        ({"last_seen_at": NOW - timedelta(hours=2)}, [{}], [("unheard", "wrong")]),
        ({"server": "llm.example.org"}, [], [("other-server", "note")]),
    ],
)
def test_each_difference_is_found(
    ours: dict[str, Any], theirs: list[dict[str, Any]], found: list[tuple[str, str]]
) -> None:
    assert kinds([run(**ours)], [job(**one) for one in theirs]) == found


def test_jobs_that_carry_an_unknown_run_are_told_and_strangers_are_not() -> None:
    assert kinds([], [job(run_id="pj_9", training_file="file-9")]) == [("unknown-here", "wrong")]
    assert kinds([], [job(run_id="pj_9", training_file="file-9", status="failed")]) == [("unknown-here", "note")]
    assert kinds([], [job(run_id=None, training_file="file-9")]) == []
    assert kinds([run(server="llm.example.org", finished_at=NOW, state="failed")], [job()]) == []


@pytest.mark.parametrize("driver", [None, "failed", "cancelled", "succeeded"])
def test_a_run_that_nobody_drives_is_told(driver: str | None) -> None:
    assert kinds([run()], [job()], driver=driver) == [("no-driver", "wrong")]


def test_what_lists_did_not_reach_is_not_missing() -> None:
    assert kinds([run()], [], complete=False) == []


def test_wrong_comes_first_and_every_finding_says_what_to_do() -> None:
    parked = run(id="pj_2", state="create_unknown", provider_job_id=None, file_id="file-2")
    ledger = Ledger(server=SERVER, runs=[parked, run()], drivers={"pj_1": "waiting", "pj_2": "waiting"}, now=NOW)
    first, second = compare(ledger, Listing(jobs=[], complete=True))
    assert (first.kind, second.kind) == ("unknown-there", "create-unknown")
    assert second.sentence.startswith("pj_2 (gold, default): nobody knows")
    assert "tuneyard llm resolve pj_2 --adopt JOB" in second.advice


def test_every_fine_tune_is_listed_once() -> None:
    other = run(id="pj_2", provider_job_id="ftjob-3", file_id="file-3")
    ledger = Ledger(server=SERVER, runs=[other, run()], drivers={}, now=NOW)
    jobs = [job(id="ftjob-9", run_id=None, training_file="file-9"), job(id="ftjob-2", status="cancelled"), job()]
    shown = lines(ledger, Listing(jobs=jobs, complete=True))
    assert [(line.run_id, line.state, line.provider_job_id, line.status) for line in shown] == [
        ("pj_2", "polling", "ftjob-3", None),
        ("pj_1", "polling", "ftjob-1", "running"),
        ("pj_1", "polling", "ftjob-2", "cancelled"),
        (None, None, "ftjob-9", "running"),
    ]


def test_lists_are_read_within_bounds() -> None:
    with (
        FaultProvider() as provider,
        OpenAIFineTunes(Provider(name="faults", base_url=provider.url, api_key="any")) as remote,
    ):
        ids = provider.add_jobs(350, metadata=lambda n: {"tuneyard_run": f"pj_{n}"})
        whole = read_lists(remote, pages=51, seconds=30)
        assert whole.complete
        assert [one.id for one in whole.jobs] == ids[::-1]
        assert provider.count() == 4
        some = read_lists(remote, pages=2, seconds=30)
        assert (some.complete, len(some.jobs)) == (False, 200)
        assert len(read_lists(remote, pages=51, seconds=0).jobs) == 100
        provider.fail("list", Fault.DROP_BEFORE, skip=1)
        with pytest.raises(Unreachable):
            read_lists(remote, pages=51, seconds=30)
