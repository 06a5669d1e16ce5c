"""Charts are safe, complete and calm whatever they are given."""

import math
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from api.review import charts
from api.review.charts import Bin, Mark, Series

HOSTILE = "<script>alert(1)</script>\"' onload=x &amp; </title></svg>"
START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DAYS = [START + DAY * n for n in range(12)]
NAN = math.nan
DASH = "\N{EN DASH}"
PLACES = {"d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"}


def every_chart(name: str, value: float | None) -> list[Markup]:
    figure = [value] * len(DAYS)
    count = [value or 0.0] * 4
    return [
        charts.line(name, [Series(name=name, points=list(zip(DAYS, figure, strict=True)))], x=name, y=name,
                    marks=[Mark(DAYS[3], name)]),
        charts.bars(name, [name, "b"], {name: [value, 1.0]}),
        charts.stacked(name, DAYS, DAY, {name: figure, "other": [1.0] * len(DAYS)}, marks=[Mark(DAYS[3], name)]),
        charts.histogram(name, [0, 0.25, 0.5, 0.75, 1], {name: count, "other": [1, 2, 3, 4]}, x=name),
        charts.calibration(name, [(name, [Bin(0.5, value, 3)])]),
        charts.confusion(name, [[1, 2], [3, 4]], [name, "b"]),
        charts.spark([1.0, value, 2.0], title=name),
    ]  # fmt: skip


def parsed(chart: Markup) -> ET.Element:
    return ET.fromstring(f"<div>{chart}</div>")  # noqa: S314  (our own text)


def test_no_label_becomes_markup() -> None:
    for chart in every_chart(HOSTILE, 1.0):
        tree = parsed(chart)
        assert isinstance(chart, Markup)
        assert not [each for each in tree.iter() if each.tag == "script"]
        names = {key for each in tree.iter() for key in each.attrib}
        assert not names & {"onload", "style", "onclick", "href"}
        assert HOSTILE in {each.text for each in tree.iter()} | {each.get("aria-label") for each in tree.iter()}


@pytest.mark.parametrize("value", [None, NAN, math.inf, -math.inf, 0.0, -3.0, 1e12])
def test_odd_figures_never_reach_the_drawing(value: float | None) -> None:
    for chart in every_chart("c", value):
        places = [text for each in parsed(chart).iter() for key, text in each.attrib.items() if key in PLACES]
        assert not [text for text in places if re.search(r"nan|inf|e\+", text)]


def test_nothing_is_said_in_words() -> None:
    for chart in (
        charts.line("T", []),
        charts.line("T", [Series(name="a", points=[(1, NAN), (2, None)])]),
        charts.bars("T", [], {}),
        charts.stacked("T", [], DAY, {}),
        charts.stacked("T", DAYS, DAY, {"a": [0.0] * 12}),
        charts.histogram("T", [0, 1], {"a": [0]}),
        charts.calibration("T", []),
        charts.confusion("T", [], []),
    ):
        assert "No figures yet." in chart
        assert "<svg" not in chart
    assert DASH in charts.spark([], title="T")


def test_one_point_is_drawn_with_its_interval() -> None:
    chart = parsed(charts.line("T", [Series(name="a", points=[(3, 0.5)], band=[(3, 0.4, 0.6)])]))

    assert len(chart.findall(".//circle")) == 1
    assert chart.find(".//line[@class='line s1']") is not None


def test_a_gap_breaks_the_line_and_the_table_has_a_dash() -> None:
    chart = charts.line("T", [Series(name="a", points=[(1, 1.0), (2, NAN), (3, 2.0)])])
    drawn = next(each for each in parsed(chart).iter("path") if each.get("class") == "line s1")

    assert drawn.attrib["d"].count("M") == 2
    assert [cell.text for cell in parsed(chart).iter("td")] == ["1", DASH, "2"]


def test_every_drawing_names_itself_and_has_its_figures_as_a_table() -> None:
    for chart in every_chart("What it shows", 1.0)[:5]:
        tree = parsed(chart)
        svg = tree.find(".//svg")
        assert svg is not None
        assert svg.get("role") == "img"
        assert svg[0].tag == "title"
        assert svg[0].text == "What it shows"
        assert len(list(tree.iter("tr"))) > 1


def test_a_mark_outside_is_left_out_and_one_inside_says_what_happened() -> None:
    points = [(day, 1.0) for day in DAYS]
    marks = [Mark(START - DAY, "too early"), Mark(DAYS[2], "v2 promoted")]
    chart = charts.line("T", [Series(name="a", points=points)], marks=marks)

    assert "v2 promoted" in chart
    assert "too early" not in chart


def test_thousands_of_points_stay_a_small_drawing() -> None:
    chart = charts.line("T", [Series(name="a", points=[(n, math.sin(n)) for n in range(50_000)])], x="step")

    assert len(chart) < 40_000


def test_stacked_shares_fill_the_column() -> None:
    tree = parsed(charts.stacked("T", DAYS[:1], DAY, {"model": [3], "cache": [1]}))
    heights = [float(each.attrib["height"]) for each in tree.iter("rect")]

    assert heights[0] == pytest.approx(3 * heights[1], abs=0.05)


def test_what_is_calibrated_lies_on_the_diagonal() -> None:
    tree = parsed(charts.calibration("T", [("m", [Bin(0.25, 0.25, 9), Bin(0.5, 0.5, 9)])]))
    diagonal = next(each.attrib["d"] for each in tree.iter("path") if each.get("class") == "diagonal")
    x1, y1, x2, y2 = map(float, re.findall(r"[\d.]+", diagonal))

    for dot in tree.iter("circle"):
        share = (float(dot.attrib["cx"]) - x1) / (x2 - x1)
        assert float(dot.attrib["cy"]) == pytest.approx(y1 + share * (y2 - y1), abs=0.05)


def test_confusion_tells_right_from_wrong() -> None:
    tree = parsed(charts.confusion("T", [[9, 1], [0, 0]], ["a", "b"]))

    assert [cell.attrib["class"] for cell in tree.iter("td")] == [
        "number right shade-8", "number wrong shade-1", "number wrong shade-0", "number right shade-0",
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e9, 1e9), st.none() | st.floats()), max_size=12),
    st.none() | st.floats(-5, 0),
    st.booleans(),
)
def test_any_line_is_well_formed(points: list[tuple[float, float | None]], low: float | None, percent: bool) -> None:
    bounded = [(x, y if y is None or not math.isfinite(y) else max(min(y, 1e12), -1e12)) for x, y in points]
    chart = charts.line("T", [Series(name="a", points=bounded)], low=low, percent=percent)

    assert "nan" not in "".join(parsed(chart).itertext())
