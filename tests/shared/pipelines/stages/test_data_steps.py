"""Rows from a file to datasets, by the real steps, ledger and database."""

import json

import psycopg
import pytest

from shared import jobs
from shared.contracts import JobState, JsonObject
from shared.lineage import lineage
from shared.pipelines.stages.versions import INPUT_VERSIONS, OUTPUT_VERSIONS, STAGES
from shared.registry import get_step
from tests.shared.pipelines.stages.made import row, rows
from tests.shared.pipelines.stages.office import Office

PERSON = "wilhelmina@canary.example"
OLD = {"schema_version": "stage_input_blue_ocean_v0"}


def outdated(each: JsonObject, part: str = "input") -> JsonObject:
    return each | {part: each[part] | {"schema_version": f"{each[part]['schema_version'][:-1]}0"}}


def saying(each: JsonObject, **texts: str) -> JsonObject:
    """Return a row whose output says something else."""
    return each | {"output": each["output"] | texts}


# --- import ---------------------------------------------------------------------------------------------------------


def test_imported_rows_wait_and_come_in_once(office: Office) -> None:
    some = rows(range(4))
    result = office.bring([*some, some[0]])
    assert (result["rows"], result["new"], result["known"], result["approved"]) == (21, 20, 1, 0)
    assert result["stages"] == {stage: 5 if stage == "quant_signals" else 4 for stage in STAGES}
    assert office.bring(some)["new"] == 0
    assert office.rows("SELECT count(*), count(approved) FROM stage_rows") == [(20, 0)]
    assert office.rows("SELECT count(*) FROM stages_examples") == [(0,)]
    ids = office.rows("SELECT id FROM stage_rows ORDER BY id")
    office.change("TRUNCATE stage_rows")
    office.bring(some)
    assert office.rows("SELECT id FROM stage_rows ORDER BY id") == ids, "a reset and reseed gives the same ids"


def test_approvals_of_a_file_count_when_a_person_takes_them_over(office: Office) -> None:
    some = [
        row(1, "blue_ocean", at="2026-01-02T03:04:05+00:00"), row(2, "blue_ocean", approved=False),
        row(3, "blue_ocean", note=None), row(4, "blue_ocean", business=None),
    ]  # fmt: skip
    refused = office.refusal("import-rows", file=office.send(some), approve=True)
    assert refused["details"]["reasons"] == {"note": 1}
    result = office.bring(some, approve=True, note="Taken over from our old tool.")
    assert (result["new"], result["approved"]) == (4, 3)
    found = office.rows("SELECT group_key, approved, decided_by, note, decided_at FROM stage_rows ORDER BY group_key")
    assert [each[1:3] for each in found] == [(True, "teacher"), (None, None), (True, "teacher"), (True, "teacher")]
    assert found[0][3:] == ("It is right.", found[0][4])
    assert found[0][4].isoformat() == "2026-01-02T03:04:05+00:00"
    assert found[2][3] == "Taken over from our old tool."
    assert found[3][0].startswith("biz_")


def test_what_a_person_rejected_stays_rejected(office: Office) -> None:
    office.bring([row(1, "blue_ocean", industry=None)])
    ((row_id,),) = office.rows("SELECT id FROM stage_rows")
    office.run("approve", ids=[row_id], decision="reject", note="No.")
    result = office.bring([row(1, "blue_ocean")], approve=True)
    assert (result["known"], result["approved"]) == (1, 0)
    found = office.rows("SELECT approved, industry FROM stage_rows")
    assert found == [(False, "roofing")], "an industry that nobody knew is taken over"


BAD: tuple[tuple[JsonObject, str], ...] = (
    (outdated(row(1, "blue_ocean")), "schema-version"),
    (outdated(row(1, "blue_ocean"), "output"), "schema-version"),
    (row(1, "blue_ocean") | {"input": None}, "schema-version"),
    (row(1, "blue_ocean") | {"output": 5}, "shape"),
    (saying(row(1, "blue_ocean"), more="Wilhelmina"), "shape"),
    (row(1, "blue_ocean") | {"output": row(2, "quant_signals")["output"]}, "schema-version"),
    (row(1, "blue_ocean") | {"stage": "quant_signals"}, "fields"),
    (row(1, "blue_ocean") | {"industry": "Wilhelmina's"}, "fields"),
    (row(1, "blue_ocean") | {"business": "Wilhelmina Quackenbush"}, "fields"),
    (row(1, "blue_ocean") | {"approved": "yes, says Wilhelmina"}, "fields"),
    (row(1, "blue_ocean") | {"at": "yesterday"}, "fields"),
    (row(1, "blue_ocean") | {"Wilhelmina": 1}, "fields"),
    (row(1, "blue_ocean") | {"id": "ex_" + "0" * 32}, "id"),
    (row(3, "blue_ocean") | {"input": row(4, "blue_ocean")["input"]}, "evidence-mismatch"),
    (saying(row(1, "blue_ocean"), tagline="The fastest dashboard in town."), "forbidden-term"),
    (saying(row(1, "blue_ocean"), trial=f"Ask {PERSON}."), "personal-data"),
    (row(1, "blue_ocean") | {"note": f"{PERSON} says so"}, "personal-data"),
)


def test_one_bad_row_keeps_all_out(office: Office) -> None:
    good = rows(range(3))
    for bad, reason in BAD:
        error = office.refusal("import-rows", file=office.send([*good, bad]))
        assert (error["code"], error["details"]["reasons"]) == ("rows-refused", {reason: 1}), (bad, error)
        assert error["details"]["lines"][0]["line"] == 16
        assert "ilhelmina" not in json.dumps(error)
    error = office.refusal("import-rows", file=office.upload(b'{"a": 1\n[]\n'))
    assert error["details"]["reasons"] == {"unreadable": 2}
    assert office.refusal("import-rows", file=office.upload(b"\n"))["message"] == "the file has no rows"
    assert office.rows("SELECT count(*) FROM stage_rows") == [(0,)]
    assert office.rows("SELECT count(*) FROM pg_tables WHERE schemaname = 'staging'") == [(0,)]


def test_only_a_person_approves(office: Office) -> None:
    upload = office.send([row(1, "blue_ocean")])
    for name, params in (
        ("import-rows", {"file": upload, "approve": True}),
        ("approve", {"ids": ["ex_" + "0" * 32], "note": "Yes."}),
    ):
        step = get_step(f"stages.{name}")
        assert step.scope == "review"
        for actor in ("schedule:weekly", "system"):
            new = jobs.new_job(step, step.params.model_validate(params), actor=actor)
            with office.database.transaction() as conn:
                jobs.submit(conn, [new])
            job = office.finish(new.id)
            assert job.state is JobState.FAILED
            assert job.error is not None
            assert job.error["message"] == "only a person approves rows"


# --- datasets -------------------------------------------------------------------------------------------------------


def test_datasets_have_what_was_approved_under_the_seeds_names(office: Office) -> None:
    office.bring(rows(range(8)), approve=True)
    office.bring(rows(range(8, 10)))
    result = office.run("build-datasets")
    assert sorted(result["files"]["sizes"]) == [
        "train/datasets/stage_blue_ocean.jsonl", "train/datasets/stage_competitive_lens.jsonl",
        "train/datasets/stage_emyth_owner_load.jsonl", "train/datasets/stage_quant_signals.jsonl",
        "train/datasets/stage_synthesis.jsonl",
    ]  # fmt: skip
    assert (result["rows"], result["approved_only"], result["rejected"]) == (40, True, [])
    synthesis = office.file(result, "train/datasets/stage_synthesis.jsonl")
    assert [each["id"] for each in synthesis] == sorted(each["id"] for each in synthesis)
    assert all(each["approved"] and each["industry"] and each["stage"] == "synthesis_decision" for each in synthesis)
    assert len({each["industry"] for each in synthesis}) == 8
    assert "note" not in synthesis[0]
    assert "teacher" not in json.dumps(synthesis)
    more = office.run("build-datasets", approved_only=False, stage=["blue_ocean"])
    flags = [each["approved"] for each in office.file(more, "train/datasets/stage_blue_ocean.jsonl")]
    assert (flags.count(True), flags.count(False)) == (8, 2)
    assert (more["stages"][0]["rows"], more["stages"][0]["approved"]) == (10, 8)


def test_a_dataset_can_be_imported_again(office: Office) -> None:
    office.bring(rows(range(4)), approve=True)
    files = office.run("build-datasets")
    first = {name: office.file(files, name) for name in files["files"]["sizes"]}
    examples = office.rows("SELECT * FROM stages_examples ORDER BY id")
    office.change("TRUNCATE stage_rows")
    for content in first.values():
        office.bring(content, approve=True, note="Back again.")
    assert office.rows("SELECT * FROM stages_examples ORDER BY id") == examples
    assert office.run("build-datasets")["files"] == files["files"], "the same rows give the same bytes"


def test_rows_are_chosen_by_days_and_industry(office: Office) -> None:
    office.bring(rows(range(8), ("blue_ocean",)), approve=True)
    office.change("UPDATE stage_rows SET decided_at = now() - interval '31 days' WHERE industry = 'roofing'")
    assert office.run("build-datasets", days=30)["rows"] == 7
    assert office.run("build-datasets", days=32)["rows"] == 8
    chosen = office.run("build-datasets", industry=["roofing", "law"])
    assert chosen["stages"][3]["industries"] == {"law": 1, "roofing": 1}
    error = office.refusal("build-datasets", industry=["roofing"], days=30)
    assert (error["code"], error["details"]["reasons"]) == ("no-eligible-rows", {})


def test_rows_of_old_contracts_are_left_out_counted_and_listed(office: Office) -> None:
    office.bring(rows(range(6), ("blue_ocean", "quant_signals")), approve=True)
    old = "UPDATE stage_rows SET input = input || %s WHERE group_key = %s AND stage = 'blue_ocean'"
    office.change(old, json.dumps(OLD), "biz-1")
    office.change(old, json.dumps({"owner": "Wilhelmina"}), "biz-2")
    office.change("UPDATE stage_rows SET industry = NULL WHERE group_key = 'biz-3' AND stage = 'blue_ocean'")
    result = office.run("build-datasets")
    assert result["stages"][3]["rejected"] == {"schema-version": 1, "shape": 1, "no-industry": 1}
    assert (result["stages"][3]["rows"], result["stages"][0]["rows"]) == (3, 6)
    assert "3 were left out: no-industry 1, schema-version 1, shape 1; 0 eligible rows of" in result["sentence"]
    listed = office.file(result, "train/datasets/rejected.jsonl")
    assert listed == result["rejected"]
    assert "stage_input_blue_ocean_v1" in next(each["message"] for each in listed if each["reason"] == "schema-version")
    assert "ilhelmina" not in json.dumps(listed)
    written = {each["id"] for each in office.file(result, "train/datasets/stage_blue_ocean.jsonl")}
    assert not written & {each["id"] for each in listed}
    assert office.rows("SELECT count(*) FROM stages_examples WHERE surface = 'blue_ocean'") == [(4,)]


def test_no_eligible_row_says_what_to_check(office: Office) -> None:
    error = office.refusal("build-datasets")
    assert error["message"] == "0 eligible rows: check approved flags and schema versions; there are no rows yet"
    office.bring(rows(range(3), ("blue_ocean",)))
    error = office.refusal("build-datasets", stage=["blue_ocean"])
    assert "3 rows wait for a person's approval" in error["message"]
    assert "stages.approve" in error["advice"]
    office.bring(rows(range(2), ("blue_ocean",)), approve=True)
    office.change("UPDATE stage_rows SET input = input || %s", json.dumps(OLD))
    error = office.refusal("build-datasets")
    assert "2 are left out (schema-version 2)" in error["message"]
    assert len(error["details"]["rejected"]) == 2


# --- what the loop reads --------------------------------------------------------------------------------------------


def test_the_training_role_sees_approved_rows_and_nothing_else(office: Office) -> None:
    office.bring(rows(range(2)), approve=True, note="Wilhelmina said so.")
    with office.database.training_data() as conn:
        seen = conn.execute('SELECT id, surface, "group", input, label, at FROM stages_examples').fetchall()
    assert len(seen) == 10
    assert {each[1] for each in seen} == set(STAGES)
    for _, surface, _, value, label, _ in seen:
        assert value["schema_version"] == INPUT_VERSIONS[surface], "the view knows the versions of today"
        assert label["output"]["schema_version"] == OUTPUT_VERSIONS[surface]
        assert label.keys() == {"industry", "output"}
    assert "ilhelmina" not in str(seen)
    assert "teacher" not in str(seen)
    with office.database.training_data() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SELECT * FROM stage_rows")


def test_all_stages_of_a_business_share_its_group(office: Office) -> None:
    office.bring(rows(range(3)), approve=True)
    found = office.rows('SELECT "group", count(DISTINCT surface) FROM stages_examples GROUP BY 1 ORDER BY 1')
    assert found == [("biz-0", 5), ("biz-1", 5), ("biz-2", 5)]


def test_an_input_counts_for_one_business_so_that_it_is_on_one_side_of_the_split(office: Office) -> None:
    good = row(1, "blue_ocean")
    said = good["output"] | {"confidence": "low" if good["output"]["confidence"] != "low" else "high"}
    office.bring([good, row(2, "blue_ocean"), good | {"business": "another", "output": said}], approve=True)
    assert office.rows('SELECT "group" FROM stages_examples ORDER BY 1') == [("another",), ("biz-2",)]
    result = office.run("build-datasets", stage=["blue_ocean"])
    ((left_out,),) = office.rows("SELECT id FROM stage_rows WHERE group_key = 'biz-1'")
    assert (result["rows"], result["stages"][0]["rejected"]) == (2, {"same-input": 1})
    assert [each["id"] for each in office.file(result, "train/datasets/rejected.jsonl")] == [left_out]
    assert office.run("diversity", stage="blue_ocean")["left_out"] == {"same-input": 1}
    office.run(
        "approve",
        ids=[office.rows("SELECT id FROM stage_rows WHERE group_key = 'another'")[0][0]],
        decision="reject",
        note="It was meant for somebody else.",
    )
    assert office.rows('SELECT "group" FROM stages_examples ORDER BY 1') == [("biz-1",), ("biz-2",)]


def test_lineage_names_who_approved(office: Office) -> None:
    office.bring([row(1, "blue_ocean")], approve=True)
    ((row_id,),) = office.rows("SELECT id FROM stages_examples")
    with office.database.reading() as conn:
        node = lineage(conn, office.store, row_id)
    assert (node.title, node.came_from[0].id) == ("labelled approved by import", "teacher")
