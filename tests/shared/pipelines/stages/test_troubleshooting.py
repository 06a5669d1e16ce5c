"""Every line of seed 001's troubleshooting, provoked: the message says what to do."""

import json
import re
from collections.abc import Iterator

import pytest

from shared.contracts import JsonObject
from shared.db.pool import get_database
from shared.llm.completions import _completions_of, default_completions
from shared.pipelines.stages.contracts import as_json
from shared.settings import Settings, get_settings
from tests.shared.pipelines.stages.shipyard import STAGE, Shipyard, as_the_expert, samples
from tests.support.fault_provider import FaultProvider


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


def file_rows(count: int) -> list[JsonObject]:
    """Return rows as ``build-datasets`` writes them."""
    return [
        {
            "stage": row.stage, "industry": row.industry, "business": row.business, "approved": True,
            "input": as_json(row.input), "output": as_json(row.output),
        }
        for row in samples(count)
    ]  # fmt: skip


def said(error: JsonObject) -> str:
    return f"{error['message']} → {error['advice']}"


def test_dashboard_not_showing_expected_fine_tunes(yard: Shipyard, provider: FaultProvider) -> None:
    yard.approve(samples(60))
    yard.sail(yard.submit("ship", stage=STAGE, live=True))
    (remote,) = provider.jobs
    doctor = Shipyard(yard.database, pipeline="llm")
    listed = doctor.run("doctor", list_all=True)
    assert [line["provider_job_id"] for line in listed["fine_tunes"]] == [remote.id]
    assert listed["fine_tunes"][0]["fine_tuned_model"]
    assert listed["organizations_seen"], "whose account it is"
    one = doctor.run("doctor", job_id=remote.id)
    assert [line["provider_job_id"] for line in one["fine_tunes"]] == [remote.id]
    assert one["events"]


def test_missing_dataset_file(yard: Shipyard) -> None:
    error = yard.refusal("finetune", stage=STAGE, dataset="0" * 64)
    assert "there is no such uploaded file" in said(error)
    assert "POST /v1/uploads" in said(error)
    nothing_frozen = yard.refusal("finetune", stage=STAGE)
    assert "run stages.freeze first" in said(nothing_frozen)


def test_0_eligible_rows(yard: Shipyard) -> None:
    error = yard.refusal("build-datasets", stage=[STAGE])
    assert "0 eligible rows: check approved flags and schema versions" in said(error)
    rows = file_rows(50)
    yard.bring(rows)  # they wait: nobody has approved them
    unapproved = yard.refusal("build-datasets", stage=[STAGE])
    assert "50 rows wait for a person's approval" in said(unapproved)
    assert "stages.approve" in said(unapproved)
    claimed = yard.refusal("finetune", stage=STAGE, dataset=yard.send(rows))
    assert "0 eligible rows: check approved flags and schema versions (not-approved 50)" in said(claimed)
    assert "approve rows" in said(claimed)


def test_schema_mismatch(yard: Shipyard) -> None:
    yard.approve(samples(50))
    rows = file_rows(50)
    rows[0]["input"]["schema_version"] = "stage_input_synthesis_decision_v0"
    rows[1]["output"]["surprise"] = True
    tuned = yard.run("finetune", stage=STAGE, dataset=yard.send([*rows, rows[-1]]))
    manifest = json.loads(yard.bytes_of(tuned, yard.named(tuned, "run_manifest.json")))
    assert manifest["rejected"] == {"schema-version": 1, "shape": 1, "twice": 1}
    assert manifest["dataset"]["rows"] == 48
    refused = yard.refusal("import-rows", file=yard.send(rows))
    assert refused["details"]["reasons"] == {"schema-version": 1, "shape": 1}
    assert "schema_version" in said(refused)
    assert "docs/schemas/stages/" in said(refused)
    for row in rows:
        row["input"]["schema_version"] = "stage_input_synthesis_decision_v0"
    all_old = yard.refusal("finetune", stage=STAGE, dataset=yard.send(rows))
    assert "bring old ones up to the current contracts" in said(all_old)


def test_rows_of_another_stage_or_no_rows_at_all_are_rejected(yard: Shipyard) -> None:
    yard.approve(samples(50))
    other = [{**as_row, "stage": None} for as_row in file_rows(1)]
    upload = yard.upload(b'{"broken\n' + json.dumps(other[0]).encode() + b"\n")
    error = yard.refusal("finetune", stage=STAGE, dataset=upload)
    assert error["details"]["reasons"] == {"unreadable": 1, "fields": 1}
    (row,) = file_rows(1)
    wrong = yard.refusal("finetune", stage="blue_ocean", dataset=yard.send([row]))
    assert wrong["details"]["reasons"] == {"other-stage": 1}
    both = yard.refusal("finetune", stage=STAGE, dataset=upload, dataset_id=f"ds_{'0' * 32}")
    assert "name one of them" in said(both)


def test_a_dataset_is_named_by_its_id_in_the_place_of_a_file(yard: Shipyard) -> None:
    yard.approve(samples(60))
    dataset = yard.run("freeze", stage=STAGE)["dataset_id"]
    for given in ({"dataset": dataset}, {"dataset_id": dataset}, {"dataset": dataset, "dataset_id": dataset}):
        assert yard.run("finetune", stage=STAGE, **given)["dataset_id"] == dataset
    with pytest.raises(ValueError, match="dataset and dataset_id name two datasets"):
        yard.submit("finetune", stage=STAGE, dataset=dataset, dataset_id=f"ds_{'0' * 32}")


def test_a_row_of_a_frozen_dataset_that_is_of_no_contract_any_more_is_left_out(yard: Shipyard) -> None:
    first, *_ = yard.approve(samples(60))
    yard.change("UPDATE stage_rows SET output = output || '{\"surprise\": 1}', group_key = 'a' WHERE id = %s", first)
    yard.run("freeze", stage=STAGE)
    tuned = yard.run("finetune", stage=STAGE)
    assert tuned["metrics"]["rejected"] == {"shape": 1}


@pytest.mark.parametrize("address", ["", "https://api.openai.com/v1"])
def test_missing_api_key_for_a_live_fine_tune(yard: Shipyard, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    yard.approve(samples(60))
    yard.run("freeze", stage=STAGE)
    monkeypatch.delenv("OPENAI_API_KEY")
    if address:
        monkeypatch.setenv("OPENAI_BASE_URL", address)
    else:
        monkeypatch.delenv("OPENAI_BASE_URL")
    get_settings.cache_clear()
    error = yard.refusal("finetune", stage=STAGE, live=True)
    assert "set OPENAI_API_KEY" in said(error)
    assert "dry run" in said(error)
    assert yard.run("finetune", stage=STAGE)["dry_run"], "a dry run needs no key"


def test_promotion_blocked(yard: Shipyard, provider: FaultProvider) -> None:
    yard.approve(samples(60))
    provider.answer = lambda _: "{}"
    job = yard.sail(yard.submit("ship", stage=STAGE, live=True))
    assert job.result is not None
    (stage,) = job.result["stages"]
    assert (stage["ended"], stage["blocked_at"]) == ("blocked", "promote")
    promoted = yard.job(stage["steps"][-1]["job_id"]).result
    assert promoted is not None
    report = yard.named(promoted, ".json")
    assert report.startswith(f"train/promotion/reports/{STAGE}/promotion_")
    assert report in promoted["advice"]
    assert report in stage["sentence"]
    assert re.search(r"evals/report_\S+\.json", stage["sentence"])
    told = json.loads(yard.bytes_of(promoted, report))
    assert told["outcome"] == "blocked"
    assert "schema_validity" in json.dumps(told)
    assert any(verdict["outcome"] == "fail" for verdict in stage["verdicts"])
    evals = yard.job(stage["steps"][-2]["job_id"]).result
    assert evals is not None
    assert not evals["passed"]
    assert yard.named(evals, ".json").startswith("evals/report_")
