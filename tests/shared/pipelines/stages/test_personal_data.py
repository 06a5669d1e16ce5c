"""Personal data planted in rows, notes, inputs and a model's answers: it is refused, and named nowhere."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.contracts import JsonObject
from shared.llm.completions import _completions_of, default_completions
from shared.pipelines.stages.contracts import as_json
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.versions import SYNTHESIS
from shared.registry import get_step
from tests.shared.pipelines.stages.made import input_of, row, rows, values_of
from tests.shared.pipelines.stages.made import pack as pack_of
from tests.shared.pipelines.stages.office import Office
from tests.support.fault_provider import FaultProvider
from tests.support.leaks import in_redis, in_tables

NAME = "Wilhelmina Quackenbush"
MAIL = "wilhelmina@canary.example"
CANARIES = (NAME, MAIL, "+1 212 555 0142")
PERSON = f"{NAME}, {MAIL}, {CANARIES[2]}"


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


def planted() -> list[JsonObject]:
    """Return rows with the person wherever a file has a place for text, or has none."""
    good = row(1, "blue_ocean")
    changed = (
        {"output": good["output"] | {"trial": f"Ask {PERSON}."}}, {"output": good["output"] | {PERSON: 1}},
        {"output": PERSON}, {"input": good["input"] | {"owner": PERSON}}, {"input": PERSON}, {"note": f"{PERSON} says"},
        {"industry": PERSON}, {"business": PERSON}, {"stage": PERSON}, {"id": PERSON}, {"at": PERSON}, {PERSON: 1},
    )  # fmt: skip
    return [good | change for change in changed]


def _about_the_person(body: JsonObject) -> str:
    said = as_json(deterministic(input_of(body)))
    said["primary_constraint"]["statement"] = f"Call {PERSON} first."
    return json.dumps(said)


def test_what_is_personal_is_refused_and_named_nowhere(
    office: Office, provider: FaultProvider, caplog: pytest.LogCaptureFixture, redis_url: str, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[object] = []
    for bad in planted():
        said.append(office.refusal("import-rows", file=office.send([bad]), approve=True))
        said.append(office.refusal("finetune", surface="blue_ocean", dataset=office.send([bad])))
    office.bring(rows(range(3)))
    review = office.review(office.run("export-review"))
    for change in ({"note": PERSON}, {"decision": PERSON}, {"output": {"trial": PERSON}}, {"industry": PERSON}):
        filled = [{**review[0], "decision": "approve", "note": "It is right.", **change}]
        said.append(office.refusal("approve", file=office.send(filled)))
    value = as_json(values_of(pack_of(3))[SYNTHESIS])
    with pytest.raises(ValidationError) as refused:  # by the API, before there is a job
        get_step("stages.infer").params.model_validate({"input": value | {"owner": PERSON}})
    said.append(refused.value.errors(include_url=False, include_input=False, include_context=False))
    office.activate(tmp_path, SYNTHESIS)
    provider.answer = _about_the_person
    answered = office.run("infer", input=value)
    assert (answered["path"], [fault["rule"] for fault in answered["broken"]]) == ("fallback", ["personal-data"])
    said += [answered, office.run("run-packs", iterations=6, min_industries=1)]
    provider.answer = lambda _: f"Certainly! {PERSON} should be called."
    broken = office.run("infer", input=as_json(values_of(pack_of(4))[SYNTHESIS]))
    assert (broken["path"], [fault["rule"] for fault in broken["broken"]]) == ("fallback", ["not-json"])
    said.append(broken)

    places = in_tables(office.database, besides=frozenset()) | {
        "log": caplog.text,
        "redis": in_redis(redis_url),
        "said": json.dumps(said),
    }
    assert {place: each for place, text in places.items() for each in CANARIES if each in text} == {}
    assert len(places) > 20
    assert "personal-data" in places["table public.llm_answers"], "the rules that were broken are kept"


def test_an_answer_that_was_withheld_is_judged_as_before_when_it_comes_from_the_cache(
    office: Office, provider: FaultProvider
) -> None:
    office.bring(rows(range(60)), approve=True)
    provider.answer = _about_the_person
    first = office.run("evals", stage=SYNTHESIS, model="gpt-4.1-mini")
    asked = provider.count("chat")
    again = office.run("evals", stage=SYNTHESIS, model="gpt-4.1-mini")
    assert provider.count("chat") == asked, "it is not asked again"
    assert (again["stages"], again["pipeline"]) == (first["stages"], first["pipeline"])
    figures = first["stages"][SYNTHESIS]["figures"]
    assert (figures["forbidden_share"], figures["agreement"], figures["homogeneity"] < 1) == (1, 0, True)
