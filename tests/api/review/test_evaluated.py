"""How evaluations and model cards are shown: by the shape of their figures, with nothing left raw."""

from dataclasses import replace

from api.review.views.evaluated import windows
from api.review.views.headline import headline_of
from api.review.views.markdown import html_of
from shared.contracts import JsonObject
from shared.presentation import Bins, Curve, Figures
from shared.registry import get_pipeline

HOSTILE = "<script>alert(1)</script>"
NAMES = ("v2", "v1")


def _figures(**others: object) -> JsonObject:
    return {
        "rows": 10, "accuracy": 0.8, "loss": 0.4, "labels": ["A", HOSTILE], "confusion": [[4, 1], [1, 4]],
        "intervals": {"accuracy": [0.7, 0.9]}, "per_class": {"A": {"f1": 0.8}},
        "curve": [{"t": 0.5, "p": 0.9, "low": 0.8, "high": 1.0}, {"t": 0.9, "p": None, "low": None, "high": None}],
        "calibration": {"bins": [{"said": 0.9, "true": 0.8, "n": 10}, {"said": None, "true": 1, "n": 0}]},
        **others,
    }  # fmt: skip


PIPELINE = replace(
    get_pipeline("router"),
    figures=Figures(
        headline=("nothing", "accuracy"), less_is_better=("loss",),
        curve=Curve(name="curve", x="t", y="p", low="low", high="high"),
        bins=Bins(name="calibration.bins", said="said", true="true", rows="n"),
    ),
)  # fmt: skip


def test_both_models_are_shown_side_by_side_with_who_is_better() -> None:
    metrics = {"all": {"rows": 10, "candidate": _figures(), "active": _figures(accuracy=0.7, loss=0.5)}}
    (window,) = windows(PIPELINE, metrics, NAMES)
    first, loss = window.groups[0].figures
    assert (window.name, window.rows) == ("all", 10)
    assert (first.name, first.value, first.other, first.low, first.high) == ("accuracy", 0.8, 0.7, 0.7, 0.9)
    assert (first.better, loss.better) == (True, True)
    assert [group.name for group in window.groups] == ["", "per_class.A"]
    assert len(window.drawings) == 4  # two confusions, the curve, calibration
    drawn = "".join(window.drawings)
    assert "&lt;script&gt;" in drawn
    assert HOSTILE not in drawn


def test_without_an_active_model_or_declared_drawings_the_figures_stand_alone() -> None:
    metrics = {"pipeline": {"rows": 3, "candidate": {"agreement": None, "seen": True}, "active": None}}
    (window,) = windows(replace(PIPELINE, figures=Figures()), metrics, NAMES)
    assert [(each.name, each.value, each.other) for group in window.groups for each in group.figures] == [
        ("agreement", None, None)
    ]
    assert window.drawings == []


def test_the_headline_is_the_first_declared_figure_that_a_window_has() -> None:
    metrics = {"train": {"candidate": {"accuracy": 1.0}}, "recent": {"candidate": {}}, "all": {"candidate": _figures()}}
    found = headline_of(PIPELINE, metrics)
    assert found is not None
    assert (found.name, found.window, found.value) == ("accuracy", "all", 0.8)
    assert headline_of(PIPELINE, {"train": {"candidate": {"accuracy": 1.0}}}) is None


def test_a_card_becomes_html_and_whatever_it_quotes_stays_text() -> None:
    verdict, table = f"- **gate** (`all`), passed: {HOSTILE}", f"| a | b |\n| --- | --- |\n| x \\| y | {HOSTILE} |"
    card = f"# title\n\n## Verdicts\n\n{verdict}\n\n{table}\n"
    html = html_of(card)
    assert "title" not in html
    assert "<h2>Verdicts</h2>" in html
    assert "<strong>gate</strong> (<code>all</code>)" in html
    assert "<td>x | y</td>" in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert HOSTILE not in html
