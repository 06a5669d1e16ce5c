"""Gold from reports to a named training set, by its real steps, ledger and database."""

import csv
import io
import json
from pathlib import Path

import psycopg
import pytest

from shared.contracts import JsonObject
from shared.db.pool import Database
from shared.lineage import lineage
from shared.pipeline import Row
from shared.pipelines.gold.layouts import LAYOUTS
from tests.shared.pipelines.gold.firm import REPORTS, Gold, edited

HEADER = b"Job #,Created date,Closed date,Scheduled start date,Total revenue ($)\n"
ANSWERS = {"decision": "Call them.", "boundary": "Start nothing new.", "confidence": "high"}


def test_a_reset_and_reseed_gives_the_same_ids(gold: Gold) -> None:
    first = gold.reseed()
    assert first["examples"] == first["new"] >= 150
    ids = gold.rows("SELECT id, snapshot, group_key FROM ml.examples ORDER BY id")
    again = gold.reseed()
    assert (again["new"], again["known"], again["removed"]) == (0, first["new"], 0)
    assert again["ids_hash"] == first["ids_hash"]
    with gold.database.transaction() as conn:
        conn.execute("TRUNCATE ml.examples CASCADE")
    assert gold.reseed()["ids_hash"] == first["ids_hash"]
    assert gold.rows("SELECT id, snapshot, group_key FROM ml.examples ORDER BY id") == ids


def test_reseed_takes_one_report_and_replaces_what_nobody_decided(gold: Gold, tmp_path: Path) -> None:
    total = gold.reseed()["examples"]
    gold.import_drafts(gold.answered(tmp_path)[:3])
    result = gold.run("reseed", quotes=gold.uploads()["quotes"])
    assert result["records"].keys() == {"quotes"}
    assert (result["removed"], result["kept"]) == (total - 3, 3)
    assert gold.rows("SELECT count(*) FROM ml.gold") == [(3,)]


def test_reseed_refuses_what_it_cannot_read(gold: Gold) -> None:
    assert gold.refusal("reseed")["message"] == "no report was given"
    uploads = gold.uploads()
    error = gold.refusal("reseed", quotes=uploads["jobs"])
    assert (error["code"], error["details"]["report"]) == ("report-refused", "quotes")
    assert error["details"]["faults"][0]["reason"] == "this is a jobs report"
    error = gold.refusal(
        "reseed", jobs=gold.upload(b"Job #,Created date,Closed date,Scheduled start date,Total revenue ($)\n")
    )
    assert "too few dated events" in error["message"]
    assert gold.refusal("reseed", quotes="0" * 64)["message"] == "there is no such uploaded file"
    assert gold.rows("SELECT count(*) FROM ml.examples") == [(0,)]


def test_drafts_go_out_blank_and_come_back_as_a_persons(gold: Gold, tmp_path: Path) -> None:
    gold.reseed()
    drafts = gold.drafts()
    assert all(draft["decision"] == draft["boundary"] == "" and draft["evidence"] for draft in drafts)
    answered = gold.answered(tmp_path)
    result = gold.import_drafts(answered)
    assert result == {"rows": len(drafts), "approved": len(drafts), "changed": len(drafts), "untouched": 0}
    assert gold.rows("SELECT DISTINCT origin, status, labelled_by, approved_by FROM ml.gold") == [
        ("human", "approved", "teacher", "teacher")
    ]
    assert gold.drafts() == []
    assert {draft["id"]: draft for draft in gold.drafts(everything=True)} == {draft["id"]: draft for draft in answered}
    assert gold.import_drafts(answered)["changed"] == 0


@pytest.fixture
def answered(gold: Gold, tmp_path: Path) -> list[JsonObject]:
    gold.reseed()
    return gold.answered(tmp_path)[:20]


PERSONAL = "decision has what looks like an e-mail address or a phone number"
BAD: tuple[tuple[JsonObject, str], ...] = (
    ({"decision": ""}, "decision is missing"),
    ({"boundary": "  "}, "boundary is missing"),
    ({"boundary": None}, "boundary is missing"),
    ({"decision": 7}, "decision is not text"),
    ({"why_this_now": "our KPI"}, "why_this_now has the forbidden term “kpi”"),
    ({"one_sentence_pattern": "Ｂ.Ｉ."}, "one_sentence_pattern has the forbidden term “bi”"),  # noqa: RUF001
    ({"confidence": "sure"}, "confidence is not one of: low, medium, high"),
    ({"confidence": ["high"]}, "confidence is not one of: low, medium, high"),
    ({"status": "approved"}, "the field status is unknown"),
    ({"Wilhelmina Quackenbush": 1}, "a field is unknown"),
    ({"id": "ex_" + "0" * 32}, "the id is unknown: no example has it"),
    ({"id": "Wilhelmina"}, "the id is not one of an example"),
    ({"id": None}, "the id is missing"),
    ({"window": {"from": "2020-01-01", "to": "2020-01-28"}}, "window was changed: it must stay as it was exported"),
    ({"evidence": ["signals.quotes.sent.count=-1"]}, "1 of the evidence entries do not match the snapshot"),
    ({"evidence": "all"}, "evidence is not a list of texts"),
    (
        {"decision": "Ask wilhelmina@canary.example"},
        PERSONAL,
    ),
)


def test_one_bad_row_keeps_all_out(gold: Gold, answered: list[JsonObject]) -> None:
    for change, reason in BAD:
        error = gold.refused_drafts(edited(answered, 7, change))
        assert (error["code"], error["details"]["rows"]) == ("gold-refused", 20)
        (rejected,) = error["details"]["rejected"]
        assert (rejected["row"], rejected["reasons"]) == (8, [reason])
        assert "ilhelmina" not in json.dumps(error)
    assert gold.rows("SELECT count(*) FROM ml.gold") == [(0,)]


def test_every_rejected_row_is_named(gold: Gold, answered: list[JsonObject]) -> None:
    twice = [*answered, answered[0], {}, 5, answered[1] | {"decision": "a dashboard", "boundary": ""}]
    rejected = gold.refused_drafts(twice)["details"]["rejected"]
    assert [row["row"] for row in rejected] == [1, 2, 21, 22, 23, 24]
    assert rejected[0] == {"row": 1, "id": answered[0]["id"], "reasons": ["the id stands there 2 times"]}
    assert rejected[3]["reasons"] == ["the id is missing", "decision is missing", "boundary is missing"]
    assert rejected[4]["reasons"] == ["not an object"]
    assert len(rejected[5]["reasons"]) == 3


def test_a_file_that_is_no_drafts(gold: Gold) -> None:
    for content in (b"", b"{}", b"[1", b'[{"id": 1, "id": 2}]', b"[NaN]", b"\xff", b"[" * 100_000):
        error = gold.refusal("import-gold", file=gold.upload(content))
        assert error["code"] == "not-drafts"
        assert error["advice"]


def test_untouched_rows_are_refused_unless_they_may_wait(gold: Gold, tmp_path: Path) -> None:
    gold.reseed()
    some = gold.answered(tmp_path, share=0.3)
    blank = sum(not draft["decision"] for draft in some)
    assert 0 < blank < len(some)
    assert len(gold.refused_drafts(some)["details"]["rejected"]) == blank
    result = gold.import_drafts(some, skip_untouched=True)
    assert (result["approved"], result["untouched"]) == (len(some) - blank, blank)
    assert gold.refused_drafts(gold.drafts(), skip_untouched=True)["message"] == "no draft in the file is filled in"


def test_autofill_never_speaks_for_a_person(gold: Gold, tmp_path: Path) -> None:
    gold.reseed()
    some = gold.answered(tmp_path, share=0.5)
    human = gold.import_drafts(some, skip_untouched=True)["approved"]
    theirs = gold.rows("SELECT * FROM ml.gold ORDER BY example_id")
    filled = gold.run("autofill")
    assert filled["drafts"] == filled["changed"] == len(some) - human
    assert gold.run("autofill")["changed"] == 0
    assert gold.rows("SELECT * FROM ml.gold WHERE origin = 'human' ORDER BY example_id") == theirs
    assert gold.rows("SELECT count(*) FROM gold_examples") == [(human,)], "a machine's draft is no example"
    assert gold.run("approve")["approved"] == {"human": 0, "machine": 0}
    drafts = gold.drafts()
    assert all(draft["suggestion"]["decision"] and not draft["decision"] for draft in drafts)
    approved = gold.run("approve", include_machine=True)
    assert (approved["human"], approved["machine"], approved["undecided"]) == (human, filled["drafts"], 0)
    gold.import_drafts([drafts[0] | ANSWERS])
    assert gold.rows("SELECT origin, decision FROM ml.gold WHERE example_id = %s", drafts[0]["id"]) == [
        ("human", "Call them.")
    ]


def test_finalize_approves_freezes_and_checks(gold: Gold, tmp_path: Path) -> None:
    gold.reseed()
    gold.import_drafts(gold.answered(tmp_path, share=0.6), skip_untouched=True)
    gold.run("autofill")
    result = gold.run("finalize-train")
    freeze = result["freeze"]
    assert result["approved"] == {"human": 0, "machine": 0}
    assert (freeze["name"], freeze["machine"], freeze["matched"], freeze["created"]) == ("train_v1", 0, True, True)
    again = gold.run("finalize-train")["freeze"]
    assert (again["name"], again["created"]) == ("train_v1", False)
    more = gold.run("finalize-train", include_machine=True)
    assert more["approved"]["machine"] > 0
    assert (more["freeze"]["name"], more["freeze"]["matched"]) == ("train_v2", True)
    assert more["freeze"]["machine"] > 0
    assert more["freeze"]["human"] == freeze["human"]
    evals = gold.run("freeze-eval")
    assert (evals["name"], evals["machine"], evals["matched"]) == ("eval_v1", 0, True)
    assert evals["human"] > 0
    assert gold.rows("SELECT name, split, count FROM ml.freezes ORDER BY name") == [
        ("eval_v1", "test", evals["rows"]), ("train_v1", "train", freeze["rows"]),
        ("train_v2", "train", more["freeze"]["rows"]),
    ]  # fmt: skip
    trained = {row.id for row in _rows(gold, more["freeze"]["dataset_id"])}
    assert len(trained) == more["freeze"]["rows"]


def _rows(gold: Gold, dataset_id: str) -> list[Row]:
    from shared.datasets import open_dataset
    from shared.db import datasets

    with gold.database.reading() as conn:
        record = datasets.get(conn, dataset_id)
    return list(open_dataset(gold.store, record.manifest).rows("train"))


def test_machine_drafts_alone_make_no_eval_set(gold: Gold) -> None:
    gold.reseed()
    gold.run("autofill")
    assert "insufficient training data" in gold.refusal("finalize-train")["message"]
    gold.run("approve", include_machine=True)
    assert gold.run("freeze-train")["machine"] > 0
    assert "nothing to freeze for eval" in gold.refusal("freeze-eval")["message"]


def test_rebuild_brings_all_back_after_a_reset(gold: Gold, tmp_path: Path) -> None:
    reports = gold.uploads()
    first = gold.run("rebuild-train", **reports)
    assert first["freeze"]["name"] == "train_v1"
    assert first["freeze"]["matched"]
    assert first["autofilled"] == first["examples"] == first["new"]
    assert "match ml.examples" in first["sentence"]
    drafts = json.loads(gold.file(first, "drafts.json"))
    assert len(drafts) == first["examples"]
    with gold.database.transaction() as conn:  # the reset
        conn.execute("TRUNCATE ml.examples, ml.freezes CASCADE")
    second = gold.run("rebuild-train", **reports)
    assert second["freeze"] == first["freeze"], "the same ids, the same set, the same dataset"


def test_rebuild_takes_earlier_decisions_along(gold: Gold, tmp_path: Path) -> None:
    gold.reseed()
    some = gold.answered(tmp_path, share=0.4)
    earlier = gold.upload(json.dumps(some).encode())
    result = gold.run("rebuild-train", **gold.uploads(), drafts=earlier)
    assert result["imported"] == sum(bool(draft["decision"]) for draft in some)
    assert result["freeze"]["human"] > 0
    assert result["freeze"]["human"] + result["freeze"]["machine"] == result["freeze"]["rows"]
    only_human = gold.run("rebuild-train", **gold.uploads(), drafts=earlier, include_machine=False)
    assert only_human["freeze"]["matched"]


def test_a_row_that_breaks_a_rule_gets_no_name(gold: Gold) -> None:
    gold.reseed()
    gold.run("autofill")
    gold.run("approve", include_machine=True)
    with gold.database.transaction() as conn:
        conn.execute("UPDATE ml.gold SET decision = 'Build a dashboard'")
    error = gold.refusal("freeze-train")
    assert "break a rule" in error["message"]
    with gold.database.transaction() as conn:
        conn.execute("UPDATE ml.gold SET decision = 'Call them'")
        conn.execute("UPDATE ml.examples SET snapshot = jsonb_set(snapshot, '{signals,quotes,sent,count}', '99999')")
    error = gold.refusal("finalize-train")
    assert error["code"] == "refused"


def test_the_training_role_sees_labels_and_nothing_else(gold: Gold, database: Database, tmp_path: Path) -> None:
    gold.reseed()
    gold.import_drafts(gold.answered(tmp_path))
    with database.training_data() as conn:
        (row,) = conn.execute("SELECT * FROM gold_examples LIMIT 1").fetchall()
    query = "SELECT attname FROM pg_attribute WHERE attrelid = 'gold_examples'::regclass ORDER BY attnum"
    columns = [name for (name,) in gold.rows(query)]
    assert columns == ["id", "surface", "group", "input", "label", "at"]
    assert "teacher" not in str(row)
    for table in ("examples", "gold", "answers", "offenders", "negatives", "freezes"):
        with database.training_data() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(f"SELECT * FROM ml.{table}")


def test_frozen_rows_are_json_and_not_text_of_json(gold: Gold, tmp_path: Path) -> None:
    gold.reseed()
    gold.import_drafts(gold.answered(tmp_path))
    dataset_id = gold.run("freeze-train")["dataset_id"]
    for row in _rows(gold, dataset_id):
        assert row.input["signals"]
        assert (row.label["kind"], row.label["origin"]) == ("gold", "human")
        assert isinstance(row.label["evidence"], list)


CANARIES = ("Wilhelmina Quackenbush", "wilhelmina@canary.example", "+1-555-0142")
_READ = {heading for layout in LAYOUTS.values() for column in layout.columns for heading in column.headings}


def _with_canaries(report: bytes) -> bytes:
    """Plant the canaries in every cell of the report that is not read."""
    rows = list(csv.reader(io.StringIO(report.decode())))
    at = next(place for place, row in enumerate(rows) if len(row) > 20)
    text = " ".join(CANARIES)
    planted = [
        [cell if heading in _READ else text for heading, cell in zip(rows[at], row, strict=True)]
        if len(row) == len(rows[at]) and any(row) and not row[0].startswith("Report totals")
        else row
        for row in rows[at + 1 :]
    ]
    out = io.StringIO()
    csv.writer(out).writerows([[text], *rows[: at + 1], *planted])
    return out.getvalue().encode()


def test_nothing_of_a_person_comes_further_than_the_upload(gold: Gold) -> None:
    clean = gold.reseed()
    uploads = {name: gold.upload(_with_canaries((gold.reports / f"{name}.csv").read_bytes())) for name in REPORTS}
    result = gold.run("rebuild-train", **uploads)
    assert (result["new"], result["known"]) == (0, clean["examples"]), "the very same snapshots"
    broken = gold.upload(_with_canaries((gold.reports / "quotes.csv").read_bytes()).replace(b"-,-", b"x,-", 5))
    said = json.dumps([result, gold.refusal("reseed", quotes=broken)]) + gold.file(result, "drafts.json").decode()
    said += str(_rows(gold, result["freeze"]["dataset_id"]))
    names = gold.rows("SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'ml', 'staging')")
    for schema, table in names:
        said += str(gold.rows(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM \"{schema}\".\"{table}\" t"))
    assert len(names) > 20
    assert [canary for canary in CANARIES if canary in said] == []


def test_lineage_names_who_decided_and_no_word_of_it(gold: Gold, tmp_path: Path) -> None:
    gold.reseed()
    gold.import_drafts(gold.answered(tmp_path))
    dataset_id = gold.run("freeze-train")["dataset_id"]
    example = _rows(gold, dataset_id)[0]
    with gold.database.reading() as conn:
        node = lineage(conn, gold.store, example.id)
    assert (node.title, node.came_from[0].id) == ("labelled gold by human", "teacher")
    assert [each.id for each in node.led_to] == [dataset_id]
    assert example.label["decision"] not in node.model_dump_json()
