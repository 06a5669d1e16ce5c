"""Lineage: from an answer to the people behind it, and from a label to what came of it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from shared import ids
from shared.db import predictions, queries
from shared.db.predictions import Prediction
from shared.db.queries import Query
from shared.errors import InvalidInputError, NotFoundError
from shared.lineage import SHOWN, LineageNode, lineage
from shared.loop.feedback import record_feedback
from tests.support.school import School

SECRET = "how do I reach ada@example.org"  # what was asked must never show


# The student learns from the router's table; a pipeline says where its examples come from in this view.
OURS = """
CREATE OR REPLACE VIEW example_origins AS
    SELECT id, 'student'::text AS pipeline, label, source, labelled_by, labelled_at, query_id AS prediction_id
    FROM ml_data
"""


def look(school: School, thing: str) -> LineageNode:
    with school.database.reading() as conn:
        return lineage(conn, school.store, thing)


def walk(node: LineageNode, direction: str, *kinds: str) -> list[LineageNode]:
    """Return the nodes at the end of a path of kinds."""
    if not kinds:
        return [node]
    following = [n for n in getattr(node, direction) if n.kind == kinds[0]]
    return [end for each in following for end in walk(each, direction, *kinds[1:])]


def everything(node: LineageNode) -> Iterator[LineageNode]:
    yield node
    for other in (*node.came_from, *node.led_to):
        yield from everything(other)


def answer(school: School, model_id: str | None) -> str:
    """Record an answer of a model to a query, and return its id."""
    path, now = "model" if model_id else "fallback", datetime.now(UTC)
    prediction = Prediction(
        id=ids.new_id(ids.PREDICTION), pipeline="student", surface="default", model_id=model_id, path=path,
        confidence=0.5, output={"answer": "EASY"}, created_at=now,
    )  # fmt: skip
    query = Query(
        id=prediction.id, query=SECRET, difficulty="EASY", confidence=0.5, model_version=None, override=None,
        created_at=now,
    )  # fmt: skip
    with school.database.transaction() as conn:
        predictions.insert(conn, [prediction])
        queries.insert(conn, [query])
    return prediction.id


@pytest.fixture
def retrained(school: School) -> dict[str, str]:
    with school.database.transaction() as conn:
        conn.execute(OURS)
    school.label(60, by="Ada")
    job = school.finish(school.submit("retrain"))
    assert job.result is not None
    return {"job": job.id, **job.result}


def test_answer_leads_back_to_who_labelled(school: School, retrained: dict[str, str]) -> None:
    top = look(school, answer(school, retrained["model_id"]))
    assert top.title == "student answer by path model, confidence 0.50"
    assert [n.id for n in walk(top, "came_from", "model")] == [retrained["model_id"]]
    assert [n.id for n in walk(top, "came_from", "model", "promotion")] == [retrained["promotion_id"]]
    evaluated = walk(top, "came_from", "model", "promotion", "evaluation")
    assert [n.id for n in evaluated] == [retrained["evaluation_id"]]
    (promoting,) = walk(top, "came_from", "model", "promotion", "job")
    assert promoting.title.startswith("student.promote for teacher")
    assert [n.id for n in promoting.came_from] == [retrained["job"]]
    (dataset,) = walk(top, "came_from", "model", "dataset")
    assert (dataset.id, dataset.count) == (retrained["dataset_id"], 60)
    assert len(walk(dataset, "came_from", "example")) == SHOWN
    assert {n.id for n in walk(dataset, "came_from", "example", "person")} == {"Ada"}


def test_label_leads_on_to_the_answers(school: School, retrained: dict[str, str]) -> None:
    for _ in range(3):
        answer(school, retrained["model_id"])
    top = look(school, f"ex_{5:032x}")
    assert top.title == "labelled HARD by import"
    assert [n.id for n in top.came_from] == ["Ada"]
    (model,) = walk(top, "led_to", "dataset", "model")
    assert (model.id, model.count) == (retrained["model_id"], 3)
    assert [n.id for n in walk(model, "led_to", "promotion")] == [retrained["promotion_id"]]


def test_feedback_leads_from_the_answer_to_the_next_dataset(school: School, retrained: dict[str, str]) -> None:
    asked = answer(school, retrained["model_id"])
    with school.database.transaction() as conn:
        example = record_feedback(conn, asked, "HARD", "Grace")
    school.run("freeze")
    top = look(school, asked)
    assert [n.id for n in top.led_to] == [example]
    assert len(walk(top, "led_to", "example", "dataset")) == 1
    told = look(school, example)
    assert {(n.kind, n.id) for n in told.came_from} == {("person", "Grace"), ("prediction", asked)}


def test_every_kind_has_a_lineage(school: School, retrained: dict[str, str]) -> None:
    for kind in ("model_id", "promotion_id", "evaluation_id", "dataset_id", "job"):
        top = look(school, retrained[kind])
        assert top.id == retrained[kind]
        found = {n.kind for n in everything(top)}
        assert "job" in found
    flow = look(school, retrained["job"])
    made = [n.id for n in everything(flow) if n.kind != "job"]
    assert made == [retrained[k] for k in ("dataset_id", "model_id", "evaluation_id", "promotion_id")]


def test_answer_without_a_model_stands_alone(school: School) -> None:
    top = look(school, answer(school, None))
    assert (top.came_from, top.led_to) == ((), ())


def test_replaced_label_is_known_to_its_datasets_only(school: School, retrained: dict[str, str]) -> None:
    with school.database.transaction() as conn:
        conn.execute("DELETE FROM ml_data WHERE id = %s", [f"ex_{5:032x}"])
    top = look(school, f"ex_{5:032x}")
    assert top.title == "its label has been replaced since"
    assert [n.id for n in top.led_to] == [retrained["dataset_id"]]


def test_what_was_asked_is_never_shown(school: School, retrained: dict[str, str]) -> None:
    asked = answer(school, retrained["model_id"])
    with school.database.transaction() as conn:
        example = record_feedback(conn, asked, "HARD", "Grace")
    shown = "".join(look(school, each).model_dump_json() for each in (asked, example, retrained["dataset_id"]))
    assert SECRET not in shown
    assert "question" not in shown


@pytest.mark.parametrize("prefix", ["pred", "mdl", "promo", "eval", "job", "ds", "ex"])
def test_unknown_things_are_not_found(school: School, prefix: str) -> None:
    with pytest.raises(NotFoundError):
        look(school, f"{prefix}_{'0' * 32}")


@pytest.mark.parametrize("thing", ["key_1", "", "nothing"])
def test_other_ids_are_invalid(school: School, thing: str) -> None:
    with pytest.raises(InvalidInputError):
        look(school, thing)
