"""Packs over models of a real HTTP provider, which answers as the rules do, or as a test wants it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import JsonObject
from shared.db import pins
from shared.llm.completions import _completions_of, default_completions
from shared.pipelines.stages.contracts import stage_of_input
from shared.pipelines.stages.packs import write_packs
from shared.pipelines.stages.versions import STAGES, Stage
from tests.shared.pipelines.stages.made import answer, input_of, pack
from tests.shared.pipelines.stages.office import Office
from tests.support.fault_provider import Fault, FaultProvider


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


def run(office: Office, packs: int = 3) -> JsonObject:
    upload = office.upload(write_packs(pack(n) for n in range(packs)))
    return office.run("run-packs", packs=upload, iterations=packs, min_industries=packs)


def test_active_models_answer_and_pinned_stages_do_not(office: Office, provider: FaultProvider, tmp_path: Path) -> None:
    made = {stage: office.activate(tmp_path, stage) for stage in STAGES[1:]}
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
    found = office.rows("SELECT DISTINCT stage, answered_by FROM stage_rows")
    by = {each[0]: each[1] for each in found}
    assert by.pop("quant_signals") == by.pop("blue_ocean") == "rules"
    assert by == {stage: made[stage] for stage in STAGES if stage in by}
    assert len(by) == 3
    again = run(office)
    assert (again["new"], again["paths"]["synthesis_decision"], len(asked)) == (0, {"cache": 3}, 9)


def test_what_breaks_a_rule_is_never_a_candidate(office: Office, provider: FaultProvider, tmp_path: Path) -> None:
    office.activate(tmp_path, "quant_signals")
    provider.answer = lambda body: answer(input_of(body)).replace("}", ',"name":"Wilhelmina"}', 1)
    result = run(office, 2)
    assert result["paths"]["quant_signals"] == {"fallback": 2}
    assert provider.count("chat") == 4, "one rewrite each"
    assert office.rows("SELECT DISTINCT answered_by FROM stage_rows") == [("rules",)]
    assert "ilhelmina" not in json.dumps(office.review(result))


def test_a_model_of_another_provider_is_refused(office: Office, tmp_path: Path) -> None:
    office.activate(tmp_path, "quant_signals", provider="elsewhere.example")
    upload = office.upload(write_packs([pack(1)]))
    error = office.refusal("run-packs", packs=upload, iterations=1, min_industries=1)
    assert "was trained at elsewhere.example" in error["message"]


def test_an_attempt_that_is_cut_off_pays_for_no_answer_twice(
    office: Office, provider: FaultProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.pipelines.stages import running

    office.activate(tmp_path, "quant_signals")
    office.activate(tmp_path, "synthesis_decision")
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
    office.activate(tmp_path, "quant_signals")
    provider.fail("chat", Fault.UNAUTHORIZED, times=None)
    result = run(office, 1)
    assert result["paths"]["quant_signals"] == {"fallback": 1}
    assert office.rows("SELECT count(*) FROM stage_rows WHERE answered_by = 'rules'") == [(5,)]
