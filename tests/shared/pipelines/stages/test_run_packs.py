"""Packs over models of a real HTTP provider, which answers as the rules do, or as a test wants it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import ids, models
from shared.contracts import JsonObject
from shared.db import datasets, pins
from shared.llm.completions import _completions_of, default_completions
from shared.llm.provider_model import ProviderModel
from shared.pipelines.stages.contracts import parse_any_input, stage_of_input
from shared.pipelines.stages.packs import write_packs
from shared.pipelines.stages.versions import STAGES, Stage
from tests.shared.pipelines.stages.made import answer, pack
from tests.shared.pipelines.stages.office import Office
from tests.support.fault_provider import Fault, FaultProvider

TUNED = "ft:gpt-4.1-mini:stages"


@pytest.fixture
def provider() -> Iterator[FaultProvider]:
    with FaultProvider() as server:
        yield server


@pytest.fixture
def environment(environment: dict[str, str], provider: FaultProvider) -> dict[str, str]:
    return environment | {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk-test", "LLM_TIMEOUT_SECONDS": "15"}


@pytest.fixture
def office(office: Office) -> Iterator[Office]:
    _completions_of.cache_clear()
    yield office
    if _completions_of.cache_info().currsize:
        default_completions().close()
    _completions_of.cache_clear()


def register(office: Office, folder: Path, stage: Stage, provider: str = "127.0.0.1") -> str:
    """Register a fine-tuned model of a stage and make it active."""
    described = ProviderModel(
        provider=provider, model=TUNED, base_model="gpt-4.1-mini", provider_job_id="ftjob-1",
        training_file_sha256="0" * 64, method="supervised",
    )  # fmt: skip
    place = folder / stage
    place.mkdir()
    described.write(place)
    model_id, dataset_id = ids.new_id(ids.MODEL), ids.content_id(ids.DATASET, stage)
    with office.database.transaction() as conn:
        datasets.insert(
            conn, dataset_id=dataset_id, pipeline="stages", surface=stage, manifest="0" * 64, rows=1,
            splits={"train": 1}, seed=42, job_id=None,
        )  # fmt: skip
        models.register(
            conn, model_id=model_id, pipeline="stages", surface=stage, dataset_id=dataset_id, job_id=None,
            manifest=office.store.put_folder("model", place, {}), libraries={}, metrics={},
            parameters={"provider": provider, "provider_model": TUNED, "base_model": "gpt-4.1-mini"},
        )  # fmt: skip
        conn.execute("UPDATE models SET state = 'active' WHERE id = %s", [model_id])
    return model_id


def input_of(body: JsonObject) -> Any:
    """Return the input that a request asks about."""
    return parse_any_input(json.loads(body["messages"][1]["content"]))


def run(office: Office, packs: int = 3) -> JsonObject:
    upload = office.upload(write_packs(pack(n) for n in range(packs)))
    return office.run("run-packs", packs=upload, iterations=packs, min_industries=packs)


def test_active_models_answer_and_pinned_stages_do_not(office: Office, provider: FaultProvider, tmp_path: Path) -> None:
    made = {stage: register(office, tmp_path, stage) for stage in STAGES[1:]}
    with office.database.transaction() as conn:
        pins.put(conn, pipeline="stages", surface="blue_ocean", actor="Ada", reason="Rules do.", job_id=None)
    asked: list[Stage] = []

    def reply(body: JsonObject) -> str:
        asked.append(stage_of_input(input_of(body)))
        return answer(input_of(body))

    provider.answer = reply
    result = run(office)
    model, rules = {"model": 3}, {"fallback": 3}
    assert result["paths"] == {
        "quant_signals": rules, "emyth_owner_load": model, "competitive_lens": model, "blue_ocean": rules,
        "synthesis_decision": model,
    }  # fmt: skip
    assert sorted(asked) == sorted(["emyth_owner_load", "competitive_lens", "synthesis_decision"] * 3)
    assert result["models"]["quant_signals"] == result["models"]["blue_ocean"] == "rules"
    by: dict[str, str] = dict(office.rows("SELECT DISTINCT stage, answered_by FROM stage_rows"))
    unmodelled = {"quant_signals": "rules", "blue_ocean": "rules"}
    assert by == {**made, **unmodelled}
    again = run(office)
    assert (again["new"], again["paths"]["synthesis_decision"], len(asked)) == (0, {"cache": 3}, 9)


def test_what_breaks_a_rule_is_never_a_candidate(office: Office, provider: FaultProvider, tmp_path: Path) -> None:
    register(office, tmp_path, "quant_signals")
    provider.answer = lambda body: answer(input_of(body)).replace("}", ',"name":"Wilhelmina"}', 1)
    result = run(office, 2)
    assert result["paths"]["quant_signals"] == {"fallback": 2}
    assert provider.count("chat") == 4, "one rewrite each"
    assert office.rows("SELECT DISTINCT answered_by FROM stage_rows") == [("rules",)]
    assert "ilhelmina" not in json.dumps(office.review(result))


def test_a_model_of_another_provider_is_refused(office: Office, tmp_path: Path) -> None:
    register(office, tmp_path, "quant_signals", provider="elsewhere.example")
    upload = office.upload(write_packs([pack(1)]))
    error = office.refusal("run-packs", packs=upload, iterations=1, min_industries=1)
    assert "was trained at elsewhere.example" in error["message"]


def test_an_attempt_that_is_cut_off_pays_for_no_answer_twice(
    office: Office, provider: FaultProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.pipelines.stages import running

    register(office, tmp_path, "quant_signals")
    register(office, tmp_path, "synthesis_decision")
    provider.answer = lambda body: answer(input_of(body))
    recorded, times = running._recorded, []

    def dies_once(*arguments: Any) -> Any:
        times.append(1)
        if len(times) == 1:
            raise ConnectionError("the worker's network is gone")
        return recorded(*arguments)

    monkeypatch.setattr(running, "_recorded", dies_once)
    upload = office.upload(write_packs(pack(n) for n in range(3)))
    job_id = office.submit("run-packs", packs=upload, iterations=3, min_industries=3)
    office.change("UPDATE jobs SET run_at = now() WHERE id = %s", job_id)
    from workers.unit import run_job

    run_job(job_id)
    assert office.rows("SELECT count(*) FROM stage_rows") == [(0,)]
    office.change("UPDATE jobs SET run_at = now() WHERE id = %s", job_id)
    result = office.finish(job_id).result
    assert result is not None
    assert (result["new"], result["paths"]["quant_signals"]) == (15, {"cache": 3})
    assert provider.count("chat") == 6


def test_a_provider_that_is_down_leaves_it_to_the_rules(
    office: Office, provider: FaultProvider, tmp_path: Path
) -> None:
    register(office, tmp_path, "quant_signals")
    provider.fail("chat", Fault.UNAUTHORIZED, times=None)
    result = run(office, 1)
    assert result["paths"]["quant_signals"] == {"fallback": 1}
    assert office.rows("SELECT count(*) FROM stage_rows WHERE answered_by = 'rules'") == [(5,)]
