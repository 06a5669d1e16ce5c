"""The stages' steps around their models, on a real ledger and against a real provider that says what a test wants."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import JsonObject
from shared.db import canaries, pins
from shared.files import ResultFiles
from shared.llm.completions import _completions_of, default_completions
from shared.pipelines.stages.contracts import as_json, canonical, output_schema
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.row_of_five import held_out
from shared.pipelines.stages.versions import STAGES, SYNTHESIS
from tests.shared.pipelines.stages.made import answer, input_of, pack, rows, values_of
from tests.shared.pipelines.stages.office import TUNED, Office
from tests.support.fault_provider import Fault, FaultProvider

VALUES = values_of(pack(3))
INPUT = as_json(VALUES[SYNTHESIS])
RULES = as_json(deterministic(VALUES[SYNTHESIS]))
GROUPS = 60
HELD_OUT = len(held_out([f"biz-{number}" for number in range(GROUPS)]))


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


def right(body: JsonObject) -> str:
    return answer(input_of(body))


def other(body: JsonObject) -> str:
    """Answer by the rules, but less surely."""
    return canonical(deterministic(input_of(body)).model_copy(update={"confidence": "low"}))


def ungrounded(body: JsonObject) -> str:
    said = as_json(deterministic(input_of(body)))
    said["primary_constraint"]["evidence"] = ["quant_signals.confidence=none"]
    return json.dumps(said)


def then(*answers: Callable[[JsonObject], str]) -> Callable[[JsonObject], str]:
    """Answer a first question with the first, a rewrite with the second."""
    return lambda body: answers[len(body["messages"]) > 2](body)


# --- infer ----------------------------------------------------------------------------------------------------------


def test_an_answer_of_the_stages_own_model_is_guarded_and_recorded(
    office: Office, provider: FaultProvider, tmp_path: Path
) -> None:
    made = {stage: office.activate(tmp_path, stage) for stage in ("blue_ocean", SYNTHESIS)}
    provider.answer = right
    for stage, model_id in made.items():
        found = office.run("infer", input=as_json(VALUES[stage]))
        assert (found["path"], found["surface"], found["model_id"], found["calls"]) == ("model", stage, model_id, 1)
        assert found["answer"] == as_json(deterministic(VALUES[stage]))
        query = "SELECT surface, model_id, path, output FROM predictions WHERE id = %s"
        assert office.rows(query, found["prediction_id"]) == [(stage, model_id, "model", found["answer"])]
    assert office.run("infer", input=INPUT, model=TUNED)["path"] == "cache"


@pytest.mark.parametrize(
    ("answers", "path", "reason"),
    [
        ((ungrounded, right), "rewrite", ""),
        ((ungrounded, ungrounded), "fallback", "broken-rules"),
        ((lambda _: "[" * 5000, lambda _: "{}"), "fallback", "broken-rules"),
    ],
)
def test_what_breaks_a_rule_is_asked_for_again_once_and_then_the_rules_answer(
    office: Office, provider: FaultProvider, answers: Any, path: str, reason: str
) -> None:
    provider.answer = then(*answers)
    found = office.run("infer", input=INPUT, model="gpt-4.1-mini")
    assert (found["path"], found["reason"], provider.count("chat")) == (path, reason, 2)
    assert found["broken"]
    assert found["answer"] == RULES
    assert found["model"] == ("gpt-4.1-mini" if path == "rewrite" else None)


def test_without_a_model_or_an_answer_or_when_pinned_the_rules_answer(
    office: Office, provider: FaultProvider, tmp_path: Path
) -> None:
    nobody = office.run("infer", input=INPUT)
    assert (nobody["path"], nobody["reason"], nobody["answer"]) == ("fallback", "no-model", RULES)
    assert nobody["confidence"] == policy().model.confidence[RULES["confidence"]]
    office.activate(tmp_path, SYNTHESIS)
    with office.database.transaction() as conn:
        pins.put(conn, pipeline="stages", surface=SYNTHESIS, actor="Ada", reason="Rules do.", job_id=None)
    assert office.run("infer", input=INPUT)["reason"] == "pinned"
    assert provider.count("chat") == 0
    provider.fail("chat", Fault.REJECTED, None)
    assert office.run("infer", input=INPUT, model="gpt-4.1-mini")["reason"] == "provider-refused"


def test_what_breaks_the_contract_or_names_nothing_is_refused(office: Office, tmp_path: Path) -> None:
    assert office.refusal("infer", input=INPUT, model="mdl_" + "0" * 32)["code"] == "not-found"
    office.activate(tmp_path, SYNTHESIS, provider="openai")
    assert "trained at openai" in office.refusal("infer", input=INPUT)["message"]
    with pytest.raises(ValueError, match="schema_version is that of no stage"):
        office.submit("infer", input={**INPUT, "schema_version": "canary"})


def test_a_canary_answers_its_share_and_both_answers_are_kept(
    office: Office, provider: FaultProvider, tmp_path: Path
) -> None:
    active = office.activate(tmp_path, SYNTHESIS)
    office.change("UPDATE models SET state = 'candidate' WHERE id = %s", active)
    with office.database.transaction() as conn:
        canary = canaries.start(
            conn, pipeline="stages", surface=SYNTHESIS, model_id=active, active_id=None, percent=100, actor="Ada",
            reason="A try.", job_id=None,
        )  # fmt: skip
    provider.answer = other
    found = office.run("infer", input=INPUT)
    assert (found["path"], found["model_id"], found["canary_id"]) == ("model", active, canary.id)
    assert found["answer"]["confidence"] == "low"
    query = "SELECT canary_path, active_path, active_output FROM canary_pairs WHERE canary_id = %s"
    assert office.rows(query, canary.id) == [("model", "fallback", RULES)]
    office.change("DELETE FROM llm_answers")
    provider.answer = lambda _: "nonsense"
    broken = office.run("infer", input=as_json(values_of(pack(4))[SYNTHESIS]))
    assert (broken["path"], broken["model_id"], broken["canary_id"]) == ("fallback", None, canary.id)


def test_the_schema_that_is_asked_for_is_the_stages_own(office: Office, provider: FaultProvider) -> None:
    asked: list[JsonObject] = []

    def listen(body: JsonObject) -> str:
        asked.append(body)
        return right(body)

    provider.answer = listen
    office.run("infer", input=INPUT, model="gpt-4.1-mini")
    assert asked[0]["response_format"]["json_schema"]["schema"] == output_schema(SYNTHESIS)
    assert asked[0]["temperature"] == 0


# --- evaluate and evals ---------------------------------------------------------------------------------------------


@pytest.fixture
def approved(office: Office) -> Office:
    """Approved rows of many businesses, of all stages, and the rules' own answers as the truth."""
    office.bring(rows(range(GROUPS)), approve=True)
    return office


def report_of(office: Office, result: JsonObject) -> tuple[JsonObject, str]:
    files = ResultFiles.model_validate(result["files"])
    page, report = sorted(files.sizes)
    assert page.startswith("evals/report_")
    assert (page.removesuffix(".html"), page[-5:], report[-5:]) == (report.removesuffix(".json"), ".html", ".json")
    refs = office.store.manifest(files.manifest).files
    with office.store.open(refs[report]) as one, office.store.open(refs[page]) as shown:
        return json.loads(one.read()), shown.read().decode()


def test_evals_try_every_stage_and_all_five_in_a_row(approved: Office, provider: FaultProvider, tmp_path: Path) -> None:
    model_id = approved.activate(tmp_path, "blue_ocean")
    provider.answer = right
    found = approved.run("evals")
    report, page = report_of(approved, found)
    assert set(report["stages"]) == set(STAGES)
    for stage, each in report["stages"].items():
        assert each["rows"] == HELD_OUT
        assert each["figures"]["agreement"] == 1
        assert each["model_id"] == (model_id if stage == "blue_ocean" else None)
    assert report["pipeline"]["rows"] == min(HELD_OUT, policy().evals.max_pipeline_rows)
    assert report["pipeline"]["figures"]["made_up"] == 0
    assert report["stages"]["blue_ocean"]["figures"]["p95_seconds"] > 0
    assert all(stage in page for stage in STAGES)
    assert report["passed"] is found["passed"]
    asked = provider.count("chat")
    again, _ = report_of(approved, approved.run("evals", stage="blue_ocean"))
    assert again["stages"]["blue_ocean"]["figures"] == report["stages"]["blue_ocean"]["figures"]
    assert provider.count("chat") == asked  # all were in the cache, with the time that they took


def test_zero_rows_fail_and_the_pipeline_is_tried_on_made_up_businesses(office: Office) -> None:
    found = office.run("evals", stage=SYNTHESIS)
    assert found["passed"] is False
    assert "Zero evaluated rows" in found["sentence"]
    figures = found["pipeline"]["figures"]
    assert (found["pipeline"]["rows"], figures["made_up"]) == (policy().evals.min_pipeline_rows,) * 2
    assert (figures["schema_validity"], figures["grounding"]) == (1, 1)


def test_a_judge_rates_some_answers_and_decides_nothing(approved: Office, provider: FaultProvider) -> None:
    shown: list[JsonObject] = []

    def reply(body: JsonObject) -> str:
        if body["model"] != "a-judge":
            return right(body)
        shown.append(json.loads(body["messages"][1]["content"]))
        return '{"score": 1}' if len(shown) > 1 else "I would rather not."

    provider.answer = reply
    found = approved.run("evals", stage=SYNTHESIS, model="gpt-4.1-mini", judge="a-judge")
    asked = min(HELD_OUT, policy().evals.max_judged_rows)
    figures = found["stages"][SYNTHESIS]["figures"]
    assert (figures["judge_model"], figures["judge_rows"], figures["judge_score"]) == ("a-judge", asked - 1, 1)
    assert (len(shown), shown[0]["approved"]) == (asked, shown[0]["candidate"])
    without = approved.run("evals", stage=SYNTHESIS, model="gpt-4.1-mini")
    assert without["stages"][SYNTHESIS]["verdicts"] == found["stages"][SYNTHESIS]["verdicts"]
    assert "judge_score" not in without["stages"][SYNTHESIS]["figures"]
    _, page = report_of(approved, found)
    assert "judge_score" in page


def test_a_model_that_is_named_takes_its_stages_place(approved: Office, provider: FaultProvider) -> None:
    provider.answer = ungrounded
    found = approved.run("evals", stage=SYNTHESIS, model="gpt-4.1-mini")
    each = found["stages"][SYNTHESIS]
    assert (each["answered_by"], each["figures"]["broken"]) == ("gpt-4.1-mini", {"evidence-mismatch": HELD_OUT})
    against = {verdict["gate"] for verdict in each["verdicts"] if verdict["outcome"] != "pass"}
    assert "grounding" in against
    assert found["pipeline"]["figures"]["without_fallback"] == 0
    assert approved.refusal("evals", model="gpt-4.1-mini")["advice"] == "name it with --stage"
    assert approved.refusal("evals", stage=SYNTHESIS, model="mdl_" + "0" * 32)["code"] == "not-found"


def test_an_evaluation_asks_the_candidate_in_its_place_among_the_five(
    approved: Office, provider: FaultProvider, tmp_path: Path
) -> None:
    dataset = approved.run("freeze", surface=SYNTHESIS)["dataset_id"]
    model_id = approved.activate(tmp_path, SYNTHESIS)
    approved.change("UPDATE models SET state = 'candidate', dataset_id = %s WHERE id = %s", dataset, model_id)
    provider.answer = right
    found = approved.run("evaluate", surface=SYNTHESIS, model_id=model_id)
    windows = {verdict["window"] for verdict in found["verdicts"]}
    assert windows == {"all", "pipeline"}
    assert found["metrics"]["all"]["candidate"]["agreement"] == 1
    assert found["metrics"]["pipeline"]["candidate"]["without_fallback"] == 1
    approved.change("DELETE FROM llm_answers")
    provider.answer = ungrounded
    worse = approved.run("evaluate", surface=SYNTHESIS, model_id=model_id)
    failed = {(v["window"], v["gate"]) for v in worse["verdicts"] if v["outcome"] != "pass"}
    assert {("all", "grounding"), ("pipeline", "grounding")} <= failed
    assert worse["passed"] is False
