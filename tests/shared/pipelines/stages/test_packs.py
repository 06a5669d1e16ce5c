"""Packs: how they are read, which are run, and the five stages over them."""

import io
import json
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import JsonObject
from shared.errors import InvalidInputError, RefusedError
from shared.pipelines.stages.contracts import parse_input, parse_output, ungrounded
from shared.pipelines.stages.packs import IndustryMix, Pack, choose_packs, read_packs, write_packs
from shared.pipelines.stages.versions import ANALYSES, STAGES
from tests.shared.pipelines.stages.made import lines, pack
from tests.shared.pipelines.stages.office import Office

PACKS = [pack(n, "plumbing") for n in range(6)] + [pack(6, "roofing"), pack(7, "roofing"), pack(8, "law")]


def test_packs_come_back_as_they_were_written() -> None:
    written = write_packs(PACKS)
    assert read_packs(io.BytesIO(written)) == PACKS
    assert len({each.id for each in PACKS}) == len(PACKS)
    assert PACKS[0].id == read_packs(io.BytesIO(written))[0].id


def test_what_is_no_pack_is_refused_and_not_quoted() -> None:
    good = PACKS[0].model_dump(mode="json")
    other = pack(1).inputs["blue_ocean"]
    for bad, message in (
        ([], "not a JSON object"),
        (good | {"name": "Wilhelmina"}, "it has not the shape of a pack"),
        (good | {"business": "Wilhelmina Q"}, "it has not the shape of a pack"),
        (good | {"inputs": {}}, "needs one input for each of"),
        (good | {"inputs": good["inputs"] | {"blue_ocean": {}}}, "the input of blue_ocean has another schema_version"),
        (good | {"inputs": good["inputs"] | {"blue_ocean": other}}, "the inputs are of different companies"),
    ):
        with pytest.raises(InvalidInputError) as caught:
            read_packs(io.BytesIO(lines([good, bad])))  # type: ignore[list-item]
        assert caught.value.message.startswith(f"line 2 is no pack: {message}")
        assert "ilhelmina" not in str(caught.value.as_dict())


def industries(packs: list[Pack]) -> Counter[str]:
    return Counter(each.industry for each in packs)


def test_balanced_takes_one_of_each_industry_in_turn() -> None:
    assert industries(choose_packs(PACKS, 3, "balanced", 3, seed=1)) == {"plumbing": 1, "roofing": 1, "law": 1}
    assert industries(choose_packs(PACKS, 6, "balanced", 3, seed=1)) == {"plumbing": 3, "roofing": 2, "law": 1}
    assert choose_packs(PACKS, 9, "balanced", 1, seed=1) != choose_packs(PACKS, 9, "balanced", 1, seed=2)


def test_weighted_takes_industries_as_often_as_they_are_there() -> None:
    many = [pack(n, "plumbing" if n % 10 else "law") for n in range(300)]
    chosen = industries(choose_packs(many, 100, "weighted", 2, seed=1))
    assert chosen["law"] < 25
    assert industries(choose_packs(PACKS, 3, "weighted", 3, seed=1)).keys() == {"plumbing", "roofing", "law"}


def test_too_few_packs_or_industries_are_refused() -> None:
    for iterations, least, message in (
        (10, 1, "there are 9 packs for 10 iterations"),
        (9, 4, "9 of these packs are of 3 industries at most; 4 is the least"),
        (2, 3, "2 of these packs are of 2 industries at most; 3 is the least"),
    ):
        with pytest.raises(RefusedError, match=message) as caught:
            choose_packs(PACKS, iterations, "balanced", least, seed=1)
        assert "stages.make-packs" in caught.value.advice


@given(
    st.integers(1, 9), st.integers(1, 3), st.sampled_from(("balanced", "weighted")), st.integers(0, 50), st.randoms()
)
def test_a_choice_holds_what_it_promises(
    iterations: int, least: int, mix: IndustryMix, seed: int, random: Random
) -> None:  # fmt: skip
    if iterations < least:
        return
    chosen = choose_packs(PACKS, iterations, mix, least, seed=seed)
    assert len({each.id for each in chosen}) == len(chosen) == iterations
    assert len(industries(chosen)) >= least
    assert choose_packs(random.sample(PACKS, len(PACKS)), iterations, mix, least, seed=seed) == chosen


# --- the steps ------------------------------------------------------------------------------------------------------


def test_made_up_packs_are_of_many_industries_and_seasons(office: Office) -> None:
    result = office.run("make-packs")
    assert result["packs"] == 48
    assert len(result["industries"]) >= 12
    assert (len(result["sizes"]), len(result["seasons"])) == (4, 3)
    assert result["gaps"] > 0
    assert office.run("make-packs")["files"] == result["files"]
    assert office.run("make-packs", seed=7)["files"] != result["files"]
    assert len(office.file(result, "train/packs/packs.jsonl")) == 48


def test_without_a_model_the_rules_answer_and_nothing_counts_as_approved(office: Office) -> None:
    result = office.run("run-packs")
    assert (result["packs"], len(result["industries"]), result["candidates"]) == (10, 10, 50)
    assert (result["new"], result["decided"]) == (50, 0)
    assert result["paths"] == {stage: {"fallback": 10} for stage in STAGES}
    assert result["models"] == dict.fromkeys(STAGES, "rules")
    assert office.rows("SELECT count(*), count(approved), min(source), min(answered_by) FROM stage_rows") == [
        (50, 0, "pack", "rules")
    ]
    assert office.rows("SELECT count(*) FROM stages_examples") == [(0,)]
    review = office.review(result)
    assert len(review) == 50
    for line in review:
        value = parse_input(line["stage"], line["input"])
        assert not ungrounded(value, parse_output(line["stage"], line["output"]))
    _the_last_stage_reads_the_others(review)


def _the_last_stage_reads_the_others(review: list[JsonObject]) -> None:
    said = {(line["business"], line["stage"]): line["output"] for line in review}
    for line in review:
        if line["stage"] == "synthesis_decision":
            assert {stage: line["input"][stage] for stage in ANALYSES} == {
                stage: said[line["business"], stage] for stage in ANALYSES
            }


def test_what_a_person_decided_is_not_asked_again(office: Office) -> None:
    upload = office.upload(write_packs(PACKS))
    params = {"packs": upload, "iterations": 3, "min_industries": 3}
    first = office.run("run-packs", **params)
    lines_ = office.review(first)
    decided = [line | {"decision": "approve", "note": "Fits."} for line in lines_[:4]]
    office.run("approve", file=office.send(decided))
    again = office.run("run-packs", **params)
    assert (again["candidates"], again["new"], again["decided"]) == (15, 0, 4)
    assert office.review(again) == lines_[4:]
    error = office.refusal("run-packs", packs=upload, iterations=9, min_industries=4)
    assert error["code"] == "refused"
    refused = office.refusal("run-packs", packs=office.upload(json.dumps({}).encode()))
    assert refused["code"] == "packs-refused"
