"""A drawing of a lineage: one box for a thing, few of many, and nothing of a title becomes markup."""

from xml.etree import ElementTree as ET

from api.review.charts.lineage import draw, some, without_names
from shared.lineage import LineageNode

HOSTILE = "<script>alert(1)</script>"


def node(kind: str, name: str, *, title: str = "t", count: int | None = None) -> LineageNode:
    return LineageNode(id=name, kind=kind, title=title, count=count)


def dataset(*, rows: int) -> LineageNode:
    person = node("person", "Ada & <b>")
    examples = [
        node("example", f"ex_{n}", title=HOSTILE).model_copy(update={"came_from": (person,)}) for n in range(20)
    ]
    job = node("job", "job_1", title="router.freeze for Ada, succeeded")
    return node("dataset", "ds_1", count=rows).model_copy(update={"came_from": (job, *examples)})


def boxes(drawing: str) -> list[ET.Element]:
    return list(ET.fromstring(drawing).iter("a"))  # noqa: S314  (our own text)


def test_a_person_of_many_labels_is_one_box_and_the_rest_is_counted() -> None:
    found = [(box.attrib["class"], box.attrib["href"]) for box in boxes(draw(dataset(rows=1000)))]

    assert [kind for kind, _ in found].count("box example") == 4
    assert ("box person", "/jobs?actor=Ada%20%26%20%3Cb%3E") in found
    assert ("box dataset here", "/lineage/ds_1") in found
    assert [box.findtext("text") for box in boxes(draw(dataset(rows=1000))) if "more" in box.attrib["class"]] == [
        "and 996 more"
    ]


def test_a_title_stays_text() -> None:
    drawing = draw(dataset(rows=20))

    assert "<script" not in drawing
    assert any(HOSTILE[:20] in (text.text or "") for box in boxes(drawing) for text in box.iter("text"))


def test_jobs_behind_other_things_are_left_to_the_list() -> None:
    top = node("model", "mdl_1", title="router v1, active").model_copy(update={"came_from": (dataset(rows=20),)})
    flow = node("job", "job_2").model_copy(update={"led_to": (node("job", "job_3"),)})

    assert not [box for box in boxes(draw(top)) if "job" in box.attrib["class"]]
    assert len(boxes(draw(flow))) == 2


def test_a_thing_alone_is_a_drawing_too() -> None:
    (box,) = boxes(draw(node("prediction", "pred_1", title="router answer by path fallback, confidence 0.00")))

    assert box.attrib["aria-current"] == "true"
    assert [text.text for text in box.iter("text")] == ["prediction", "fallback, confidence 0.00"]


def test_some_of_each_kind_and_how_many_there_are_besides() -> None:
    shown, rest = some(dataset(rows=30), "came_from", 8)

    assert [each.kind for each in shown] == ["job", *["example"] * 8]
    assert [each.title for each in rest] == ["and 22 more"]
    assert not some(node("model", "mdl_1"), "led_to", 8)[0]


def test_names_are_taken_out_everywhere() -> None:
    top = node("model", "mdl_1").model_copy(update={"came_from": (dataset(rows=20),), "led_to": (dataset(rows=20),)})

    assert "Ada &" in top.model_dump_json()
    assert "Ada &" not in without_names(top).model_dump_json()
