"""Shipping: from approved rows to a promoted model as one job, blocked with a recipe, resumed where it stopped."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from beat_schedule import ENTRIES
from shared import jobs
from shared.contracts import JobState, JsonObject
from shared.db.pool import get_database
from shared.llm.completions import _completions_of, default_completions
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.versions import STAGES
from shared.settings import Settings
from tests.shared.pipelines.stages.shipyard import STAGE, Shipyard, as_the_expert, samples
from tests.support.fault_provider import Fault, FaultProvider
from workers import sweeps
from workers.unit import run_job

ROOT = Path(__file__).parents[4]
STEPS = ["build-datasets", "diversity", "freeze", "finetune", "evaluate", "evals", "promote"]


@pytest.fixture
def provider() -> Iterator[FaultProvider]:
    with FaultProvider() as server:
        server.answer = as_the_expert
        yield server


@pytest.fixture
def environment(environment: dict[str, str], provider: FaultProvider) -> dict[str, str]:
    return environment | {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk-test", "LLM_TIMEOUT_SECONDS": "15"}


@pytest.fixture
def yard(settings: Settings, provider: FaultProvider) -> Iterator[Shipyard]:
    _completions_of.cache_clear()
    yield Shipyard(get_database(), provider=provider)
    if _completions_of.cache_info().currsize:
        default_completions().close()
    _completions_of.cache_clear()


def only(result: JsonObject) -> JsonObject:
    (stage,) = result["stages"]
    found: JsonObject = stage
    return found


def test_a_dry_run_ends_with_files_and_sends_nothing(yard: Shipyard, provider: FaultProvider) -> None:
    yard.approve(samples(60))
    result = yard.ship(stage=STAGE)
    stage = only(result)
    assert (result["dry_run"], stage["ended"], stage["rows"]) == (True, "dry-run", 60)
    assert [step["step"] for step in stage["steps"]] == STEPS[:4]
    assert all(step["sentence"] for step in stage["steps"])
    assert "Run it again with --live" in result["sentence"]
    assert provider.requests == []
    tuned = yard.job(stage["steps"][3]["job_id"]).result
    assert tuned is not None
    names = "|".join(tuned["files"]["sizes"])
    assert re.fullmatch(
        rf"(train/finetune_runs/{STAGE}/\d{{8}}T\d{{6}}Z/(run_manifest\.json|train_openai\.jsonl)\|?){{2}}", names
    )
    manifest = json.loads(yard.bytes_of(tuned, yard.named(tuned, "run_manifest.json")))
    lines = yard.bytes_of(tuned, yard.named(tuned, "train_openai.jsonl")).splitlines()
    assert manifest["training_file"]["rows"] == len(lines) == manifest["dataset"]["splits"]["train"]
    assert re.fullmatch("[0-9a-f]{64}", manifest["dataset"]["sha256"])
    assert manifest["rejected"] == {}
    assert manifest["contracts"] == {
        "input": "stage_input_synthesis_decision_v1",
        "output": "synthesis_decision_v1",
    }
    assert manifest["estimate"]["tokens"] > 0


def test_live_it_ends_with_a_promoted_model(yard: Shipyard, provider: FaultProvider) -> None:
    yard.approve(samples(60))
    result = yard.ship(stage=STAGE, live=True)
    stage = only(result)
    assert stage["ended"] == "promoted", stage["sentence"]
    assert [step["step"] for step in stage["steps"]] == STEPS
    assert provider.count("create") == 1
    (active,) = yard.rows("SELECT id FROM models WHERE state = 'active' AND surface = %s", STAGE)
    assert active[0] == stage["model_id"]
    assert len(yard.history()) == 1
    again = yard.ship(stage=STAGE, live=True)
    assert only(again)["ended"] == "blocked"
    assert only(again)["blocked_at"] == "promote"
    assert provider.count("create") == 1


@pytest.mark.parametrize(("rows", "says"), [(0, "0 eligible rows"), (12, "What would pass: Approve 28 more rows")])
def test_too_few_rows_are_blocked_with_a_recipe(yard: Shipyard, rows: int, says: str) -> None:
    if rows:
        yard.approve(samples(rows))
    stage = only(yard.ship(stage=STAGE))
    assert (stage["ended"], stage["blocked_at"]) == ("blocked", "diversity")
    assert says in " ".join([stage["sentence"], *(step["sentence"] for step in stage["steps"])])
    checked = yard.job(stage["steps"][1]["job_id"]).result
    assert checked is not None
    report = json.loads(yard.bytes_of(checked, yard.named(checked, ".json")))
    assert report["recipe"]["ways"]
    assert {verdict["gate"] for verdict in report["verdicts"]} >= {"min_total_rows", "min_industries", "held_out"}


def test_live_asks_for_more_than_a_dry_run(yard: Shipyard, provider: FaultProvider) -> None:
    yard.approve(samples(60))
    stage = only(yard.ship(stage=STAGE, live=True, live_min_rows=61))
    assert (stage["ended"], stage["blocked_at"]) == ("blocked", "diversity")
    assert "61 are needed" in stage["sentence"]
    alike = only(yard.ship(stage=STAGE, live=True, max_homogeneity_share=0.01))
    assert "more than the 1% that are let through" in alike["sentence"]
    assert provider.requests == []


def test_rows_without_industry_or_of_old_contracts_are_counted(yard: Shipyard) -> None:
    rows = samples(60)
    old, *_ = yard.approve(rows[:50])
    yard.approve(rows[50:], industry=None)
    yard.change(
        'UPDATE stage_rows SET input = input || \'{"schema_version": "stage_input_old_v0"}\' WHERE id = %s', old
    )
    result = yard.run("diversity", stage=STAGE)
    assert result["left_out"] == {"no-industry": 10, "schema-version": 1}
    assert (result["figures"]["rows"], result["figures"]["excluded_without_industry"]) == (49, 10)
    yard.run("freeze", stage=STAGE)
    tuned = yard.run("finetune", stage=STAGE)
    assert tuned["metrics"]["rejected"] == {"no-industry": 10, "schema-version": 1}


def test_days_leave_out_what_was_approved_before(yard: Shipyard) -> None:
    old, *_ = yard.approve(samples(60))
    yard.change("UPDATE stage_rows SET decided_at = now() - interval '91 days' WHERE id = %s", old)
    assert only(yard.ship(stage=STAGE))["rows"] == 59
    assert only(yard.ship(stage=STAGE, days=120))["rows"] == 60


def test_all_stages_are_shipped_one_after_the_other(yard: Shipyard) -> None:
    yard.approve(samples(60, STAGES[:2]))
    result = yard.ship()
    assert [(stage["stage"], stage["ended"]) for stage in result["stages"]] == [
        ("quant_signals", "dry-run"), ("emyth_owner_load", "dry-run"), ("competitive_lens", "blocked"),
        ("blue_ocean", "blocked"), ("synthesis_decision", "blocked"),
    ]  # fmt: skip
    assert result["sentence"].startswith("5 stages: 2 ready (dry run), 3 blocked. ")


def test_what_failed_is_taken_up_at_that_step(yard: Shipyard, provider: FaultProvider) -> None:
    yard.approve(samples(60))
    provider.fail("upload", Fault.UNAUTHORIZED)
    job_id = yard.submit("ship", stage=STAGE, live=True)
    job = yard.sail(job_id)
    assert job.state is JobState.FAILED
    before = yard.steps_of(job_id)
    assert before[-1] == ("stages.finetune", "failed")
    with yard.database.transaction() as conn:
        jobs.retry(conn, job_id, "Ada")
    job = yard.sail(job_id)
    assert job.state is JobState.SUCCEEDED, job.error
    assert [kind.partition(".")[2] for kind, _ in yard.steps_of(job_id)] == STEPS
    assert job.result is not None
    assert only(job.result)["ended"] == "promoted"


# --- the week -------------------------------------------------------------------------------------------------------


def test_each_week_ships_what_has_enough_new_rows(yard: Shipyard, provider: FaultProvider) -> None:
    least = policy().ship.new_rows
    yard.approve(samples(least - 1, STAGES[:1]))
    yard.approve(samples(60))
    job = yard.sail(yard.submit("ship-due"))
    assert job.result is not None
    assert [stage["stage"] for stage in job.result["stages"]] == [STAGE]
    assert job.result["dry_run"]
    assert provider.requests == []
    assert yard.run("due")["due"] == [STAGE], "a dry run has trained nothing"
    assert only(yard.ship(stage=STAGE, live=True))["ended"] == "promoted"
    job = yard.sail(yard.submit("ship-due"))
    assert job.result is not None
    assert job.result["stages"] == []
    assert job.result["sentence"].startswith("no stage to be shipped")
    yard.approve(samples(60 + least)[60:])
    assert yard.run("due")["due"] == [STAGE]
    yard.run("freeze", stage=STAGE)
    assert yard.run("due")["due"] == [STAGE]


def test_rows_of_a_fine_tune_that_failed_are_still_new(yard: Shipyard, provider: FaultProvider) -> None:
    yard.approve(samples(60))
    yard.run("freeze", stage=STAGE)
    job_id = yard.submit("finetune", stage=STAGE, live=True)
    while not provider.jobs:
        for each in yard.due():
            run_job(each)
    assert yard.run("due")["due"] == [], "they are being learnt from"
    provider.advance(provider.jobs[0].id, "failed")
    assert yard.sail(job_id).state is JobState.FAILED
    assert yard.run("due")["due"] == [STAGE]


def test_the_weekly_entry_fires_it(yard: Shipyard) -> None:
    (entry,) = [entry for entry in ENTRIES if entry.step == "stages.ship-due"]
    assert entry.every == timedelta(days=7)
    sweeps.fire(entry.name)  # first seen: waits one period
    yard.change("UPDATE schedule_slots SET at = at - %s", entry.every)
    sweeps.fire(entry.name)
    assert yard.rows("SELECT kind, actor FROM jobs") == [("stages.ship-due", f"schedule:{entry.name}")]


# --- killed anywhere ------------------------------------------------------------------------------------------------


@pytest.fixture
def run_dying(yard: Shipyard, environment: dict[str, str]) -> Iterator[Callable[[str, int], bool]]:
    """Run a job in a process that is killed at a point; the answer is whether it came that far."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.dying"], cwd=ROOT, env=environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip

        def run(job_id: str, point: int) -> bool:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{job_id} {point}\n")
            process.stdin.flush()
            answer = process.stdout.readline().strip()
            assert answer in {"killed", "lived 0"}
            return answer == "killed"

        yield run
        process.stdin.close()  # type: ignore[union-attr]  # a pipe


def _rescue(yard: Shipyard, job_id: str) -> None:
    with yard.database.transaction() as conn:
        conn.execute(
            "UPDATE jobs SET lease_until = now() - interval '1 s' WHERE id = %s AND state = 'running'", [job_id]
        )
        jobs.rescue(conn)
        conn.execute("UPDATE jobs SET run_at = now() WHERE state = 'queued'")


@pytest.mark.timeout(180)
def test_killed_at_each_step_it_trains_once_and_promotes_once(
    yard: Shipyard, provider: FaultProvider, run_dying: Callable[[str, int], bool]
) -> None:
    yard.approve(samples(60))
    ship_id = yard.submit("ship", stage=STAGE, live=True)
    killed: dict[str, int] = {}
    points = {"stages.finetune": [6, 14, 22, 30, 38]}
    while not yard.job(ship_id).is_final:
        for job_id in yard.due():
            kind = yard.job(job_id).kind
            left = points.setdefault(kind, [4, 10])
            if not left:
                run_job(job_id)
            elif run_dying(job_id, left.pop(0)):
                killed[kind] = killed.get(kind, 0) + 1
                _rescue(yard, job_id)
        yard.train()
    job = yard.job(ship_id)
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result is not None
    assert only(job.result)["ended"] == "promoted"
    assert set(killed) == {"stages.ship", *(f"stages.{step}" for step in STEPS)}
    assert killed["stages.finetune"] > 2
    assert [step for step, _ in yard.steps_of(ship_id)] == [f"stages.{step}" for step in STEPS]
    assert len(provider.jobs) == 1
    assert len(yard.rows("SELECT id FROM provider_jobs")) == 1
    assert len(yard.history()) == 1
