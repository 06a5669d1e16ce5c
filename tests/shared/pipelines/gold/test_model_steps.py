"""Gold's steps around its model, on a real ledger and against a real HTTP provider that says what a test wants."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import ids, models
from shared.contracts import JsonObject
from shared.db.pool import get_database
from shared.llm.completions import _completions_of, default_completions
from shared.llm.provider_model import ProviderModel
from shared.pipelines.gold.contracts import ANSWER_SCHEMA, parse_snapshot
from shared.pipelines.gold.patterns import draft
from shared.pipelines.gold.prompt import answer_text
from shared.settings import Settings
from tests.shared.pipelines.gold.conformance import SNAPSHOT
from tests.shared.pipelines.gold.firm import Gold
from tests.support.fault_provider import Fault, FaultProvider

TUNED = "ft:gpt-4o-mini:gold"
HOSTILE = '<script>alert("canary")</script>'


@pytest.fixture
def provider() -> Iterator[FaultProvider]:
    with FaultProvider() as server:
        yield server


@pytest.fixture
def environment(environment: dict[str, str], provider: FaultProvider) -> dict[str, str]:
    return environment | {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk-test", "LLM_TIMEOUT_SECONDS": "15"}


@pytest.fixture
def gold(settings: Settings, reports: Path) -> Iterator[Gold]:
    _completions_of.cache_clear()
    yield Gold(get_database(), "gold", reports)
    if _completions_of.cache_info().currsize:
        default_completions().close()
    _completions_of.cache_clear()


def snapshot_of(body: JsonObject) -> Any:
    """Return the snapshot that a request asks about."""
    return parse_snapshot(json.loads(body["messages"][1]["content"]))


def grounded(body: JsonObject) -> str:
    return answer_text(draft(snapshot_of(body)))


def ungrounded(body: JsonObject) -> str:
    return answer_text(draft(snapshot_of(body)).model_copy(update={"evidence": ("signals.jobs.late.count=123456",)}))


def then(*answers: Callable[[JsonObject], str]) -> Callable[[JsonObject], str]:
    """Answer a first question with the first, a rewrite with the second."""
    return lambda body: answers[len(body["messages"]) > 2](body)


def register(gold: Gold, folder: Path, dataset_id: str, provider: str = "127.0.0.1", name: str = TUNED) -> str:
    """Register a fine-tuned model, as the step ``finetune`` does, and make it active."""
    described = ProviderModel(
        provider=provider, model=name, base_model="gpt-4o-mini", provider_job_id="ftjob-1",
        training_file_sha256="0" * 64, method="supervised",
    )  # fmt: skip
    folder.mkdir(exist_ok=True)
    described.write(folder)
    model_id = ids.new_id(ids.MODEL)
    with gold.database.transaction() as conn:
        models.register(
            conn, model_id=model_id, pipeline="gold", surface="default", dataset_id=dataset_id, job_id=None,
            manifest=gold.store.put_folder("model", folder, {}), libraries={}, metrics={},
            parameters={"provider": provider, "provider_model": name, "base_model": "gpt-4o-mini"},
        )  # fmt: skip
        conn.execute("UPDATE models SET state = 'active' WHERE id = %s", [model_id])
    return model_id


@pytest.fixture
def dataset(gold: Gold, tmp_path: Path) -> str:
    """Seed gold, answer a part of its drafts, and freeze it."""
    gold.reseed()
    gold.import_drafts(gold.answered(tmp_path, share=0.7), skip_untouched=True)
    frozen: str = gold.run("freeze")["dataset_id"]
    return frozen


# --- infer ----------------------------------------------------------------------------------------------------------


def test_an_answer_of_the_active_model_is_guarded_and_recorded(
    gold: Gold, provider: FaultProvider, dataset: str, tmp_path: Path
) -> None:
    model_id = register(gold, tmp_path / "model", dataset)
    provider.answer = grounded
    found = gold.run("infer", snapshot=SNAPSHOT)
    assert (found["path"], found["model_id"], found["calls"], found["broken"]) == ("model", model_id, 1, [])
    assert found["answer"] == json.loads(answer_text(draft(parse_snapshot(SNAPSHOT))))
    (body,) = gold.rows("SELECT output FROM predictions WHERE id = %s", found["prediction_id"])[0]
    assert body == found["answer"]
    logged = gold.rows("SELECT source, model_id, model, faults, path FROM ml.answers")
    assert logged == [("production", model_id, TUNED, [], "model")]
    again = gold.run("infer", snapshot=SNAPSHOT, model=TUNED)
    assert (again["path"], again["calls"], again["model_id"]) == ("cache", 0, model_id)


@pytest.mark.parametrize(
    ("answers", "path", "reason"),
    [
        ((ungrounded, grounded), "rewrite", ""),
        ((lambda _: HOSTILE, ungrounded), "fallback", "broken-rules"),
        ((lambda _: "{}", lambda _: "[" * 5000), "fallback", "broken-rules"),
    ],
)
def test_what_breaks_a_rule_is_asked_for_again_once_and_never_shown(
    gold: Gold, provider: FaultProvider, answers: Any, path: str, reason: str
) -> None:
    provider.answer = then(*answers)
    found = gold.run("infer", snapshot=SNAPSHOT, model="gpt-4o-mini")
    assert (found["path"], found["reason"], provider.count("chat")) == (path, reason, 2)
    assert found["broken"]
    assert HOSTILE not in json.dumps(found)
    (first,) = gold.rows("SELECT first_text FROM ml.answers")[0]
    assert first
    assert gold.run("extract-offenders")["new"] == 1


def test_without_a_model_or_an_answer_the_fallback_says_so(gold: Gold, provider: FaultProvider) -> None:
    nobody = gold.run("infer", snapshot=SNAPSHOT)
    assert (nobody["path"], nobody["reason"], nobody["confidence"]) == ("fallback", "no-model", 0)
    provider.fail("chat", Fault.REJECTED, None)
    refused = gold.run("infer", snapshot=SNAPSHOT, model="gpt-4o-mini")
    assert (refused["path"], refused["reason"], refused["model"]) == ("fallback", "provider-refused", None)
    assert refused["answer"] == nobody["answer"]
    assert gold.run("extract-offenders")["new"] == 0  # nobody said anything


def test_a_model_of_another_provider_or_none_at_all_is_refused(
    gold: Gold, provider: FaultProvider, dataset: str, tmp_path: Path
) -> None:
    register(gold, tmp_path / "model", dataset, provider="openai")
    assert "trained at openai" in gold.refusal("infer", snapshot=SNAPSHOT)["message"]
    assert gold.refusal("infer", snapshot=SNAPSHOT, model="mdl_" + "0" * 32)["code"] == "not-found"
    assert provider.count("chat") == 0


# --- smoke tests ----------------------------------------------------------------------------------------------------


def test_a_smoke_test_asks_about_what_was_not_trained_on_and_keeps_what_breaks_rules(
    gold: Gold, provider: FaultProvider, dataset: str, tmp_path: Path
) -> None:
    model_id = register(gold, tmp_path / "model", dataset)
    provider.answer = lambda body: HOSTILE if body["messages"][1]["content"].count("late") else grounded(body)
    found = gold.run("smoke-test")
    (trained,) = gold.rows("SELECT split_counts ->> 'train' FROM datasets")[0]
    (examples,) = gold.rows("SELECT count(*) FROM ml.examples")[0]
    assert found["all"]["rows"] == examples - int(trained) == provider.count("chat")
    assert found["held_out"]["rows"] + found["unlabelled"]["rows"] == found["all"]["rows"]
    assert 0 < found["all"]["offenders"] == found["new_offenders"] < found["all"]["rows"]
    assert found["broken"] == {"not-json": found["all"]["offenders"]}
    again = gold.run("smoke-test", model=model_id, only="held-out")
    assert again["held_out"] == found["held_out"]
    assert (again["unlabelled"]["rows"], again["new_offenders"]) == (0, 0)
    assert provider.count("chat") == found["all"]["rows"]  # all were in the cache


def test_the_report_shows_every_failure_and_lets_none_of_it_run(
    gold: Gold, provider: FaultProvider, dataset: str, tmp_path: Path
) -> None:
    register(gold, tmp_path / "model", dataset, name="ft:<b>&")
    provider.answer = lambda _: HOSTILE
    found = gold.run("smoke-test", only="held-out")
    report = gold.run("smoke-report")
    assert report["held_out"] == found["held_out"]
    page = gold.file(report, "smoke_report.html").decode()
    assert page.count("<article>") == page.count("&lt;script&gt;") == found["all"]["offenders"]
    assert "<script" not in page
    assert "<b>" not in page
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    told = json.loads(gold.file(report, "smoke_report.json"))
    assert [failure["answer"] for failure in told["failures"]] == [HOSTILE] * found["all"]["offenders"]
    assert gold.run("smoke-report")["files"] == report["files"]


def test_without_snapshots_or_models_there_is_nothing_to_smoke(gold: Gold) -> None:
    assert gold.refusal("smoke-test")["code"] == "not-found"
    assert gold.refusal("smoke-test", model="gpt-4o-mini")["code"] == "not-found"
    assert gold.refusal("smoke-report")["code"] == "not-found"


# --- negatives ------------------------------------------------------------------------------------------------------


@pytest.fixture
def negatives(gold: Gold, provider: FaultProvider, dataset: str) -> list[JsonObject]:
    """Let an untuned model be smoke-tested and its offenders be corrected; return the file for people."""
    provider.answer = ungrounded
    offenders = gold.run("smoke-test", model="gpt-4o-mini")["all"]["offenders"]
    made = gold.run("gen-negatives")
    assert made["negatives"] == offenders
    drafts: list[JsonObject] = json.loads(gold.file(made, "negatives.json"))
    return drafts


def test_a_correction_is_trained_on_once_a_person_has_approved_it(gold: Gold, negatives: list[JsonObject]) -> None:
    (before,) = gold.rows("SELECT count(*) FROM gold_examples")[0]
    chosen = [negatives[0]["id"], negatives[1]["id"]]
    assert gold.run("approve-negatives", ids=chosen) == {
        "approved": 2, "rewritten": 0, "waiting": len(negatives) - 2,
    }  # fmt: skip
    (after,) = gold.rows("SELECT count(*) FROM gold_examples")[0]
    assert after == before + 2
    labels = gold.rows("SELECT label FROM gold_examples WHERE label ->> 'kind' = 'negative' ORDER BY id")
    assert {label["rejected"] for (label,) in labels} == {draft["rejected"] for draft in negatives[:2]}
    assert gold.refusal("approve-negatives", ids=chosen)["code"] == "negatives-refused"
    assert gold.run("gen-negatives")["negatives"] == len(negatives) - 2
    rest = gold.run("approve-negatives")
    assert (rest["approved"], rest["waiting"]) == (len(negatives) - 2, 0)


def test_what_people_concluded_is_the_correction_where_they_did(gold: Gold, negatives: list[JsonObject]) -> None:
    people = dict(
        gold.rows("SELECT e.snapshot::text, g.decision FROM ml.gold g JOIN ml.examples e ON e.id = example_id")
    )
    found = gold.rows("SELECT snapshot::text, decision, origin FROM ml.negatives")
    assert {origin for _, _, origin in found} == {"human", "machine"}
    for snapshot, decision, origin in found:
        assert (origin == "human") == (snapshot in people)
        assert decision == people.get(snapshot, decision)


def test_an_edited_file_is_approved_as_it_is_or_not_at_all(gold: Gold, negatives: list[JsonObject]) -> None:
    good = negatives[0] | {"decision": "Call them today."}
    bad = negatives[1] | {"decision": "Build the canary a dashboard."}
    unknown = negatives[2] | {"id": "neg_unknown"}
    file = gold.upload(json.dumps([good, bad, unknown]).encode())
    refused = gold.refusal("approve-negatives", file=file)
    assert [(r["row"], len(r["reasons"])) for r in refused["details"]["rejected"]] == [(2, 1), (3, 1)]
    assert "canary" not in json.dumps(refused)
    assert gold.rows("SELECT 1 FROM ml.negatives WHERE status = 'approved'") == []
    done = gold.run("approve-negatives", file=gold.upload(json.dumps([good, negatives[1]]).encode()))
    assert (done["approved"], done["rewritten"]) == (2, 1)
    stored = gold.rows("SELECT decision, origin, approved_by FROM ml.negatives WHERE id = %s", good["id"])
    assert stored == [("Call them today.", "human", "teacher")]
    assert gold.refusal("approve-negatives", file=gold.upload(b"{"))["code"] == "invalid-input"


# --- files ----------------------------------------------------------------------------------------------------------


def test_the_exported_file_is_what_a_fine_tune_would_upload(gold: Gold, negatives: list[JsonObject]) -> None:
    gold.run("approve-negatives")
    frozen = gold.run("freeze")
    made = gold.run("export-jsonl")
    assert (made["dataset_id"], made["train"]) == (frozen["dataset_id"], frozen["splits"]["train"])
    dry = gold.run("finetune")
    assert dry["dry_run"]
    train = gold.file(made, "train_openai.jsonl")
    assert train == gold.file(dry, "train_openai.jsonl")
    assert len(train.splitlines()) == made["train"]
    pairs = gold.file(made, "dpo_pairs.jsonl").splitlines()
    assert len(pairs) == made["pairs"] == made["negatives"] > 0
    held_out = gold.file(made, "eval_openai.jsonl").splitlines()
    assert 0 < len(held_out) == made["eval"] < frozen["splits"]["test"]
    asked = {json.loads(line)["messages"][1]["content"] for line in train.splitlines()}
    assert not asked & {json.loads(line)["messages"][1]["content"] for line in held_out}


def test_the_second_fine_tune_needs_corrections_and_shows_what_it_would_send(
    gold: Gold, negatives: list[JsonObject], provider: FaultProvider
) -> None:
    without = gold.run("finetune-v2")
    assert (without["promoted"], without["negatives"]) == (False, 0)
    gold.run("approve-negatives")
    dry = gold.run("finetune-v2")
    assert not dry["promoted"]
    assert dry["negatives"] > 0
    assert "--live" in dry["sentence"]
    assert provider.count("upload", "create") == 0


def test_the_schema_that_is_asked_for_is_the_one_that_is_checked(gold: Gold, provider: FaultProvider) -> None:
    asked: list[JsonObject] = []

    def listen(body: JsonObject) -> str:
        asked.append(body)
        return grounded(body)

    provider.answer = listen
    gold.run("infer", snapshot=SNAPSHOT, model="gpt-4o-mini")
    assert asked[0]["response_format"]["json_schema"]["schema"] == ANSWER_SCHEMA
    assert asked[0]["temperature"] == 0
