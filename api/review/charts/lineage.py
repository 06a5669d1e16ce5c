"""Lineage as a drawing: what a thing came from at its left, what it led to at its right, every box a link.

A thing that is reached in several ways is one box, in the layer farthest from the middle. Of many alike only a few are
drawn, and one box says how many more there are. Jobs behind other things are left to the list beside the drawing, which
has all of it, also for those who do not see the drawing.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import quote

from markupsafe import Markup

from api.review import words
from api.review.charts.drawing import element, together
from shared.lineage import LineageNode

MORE: Final = "more"
PERSON: Final = "person"

_FEW: Final = 4  # boxes of one kind that a thing is drawn with
_BOX: Final = (196.0, 50.0)
_STEP: Final = (236.0, 62.0)
_EDGE: Final = 6.0
_TITLE: Final = 25
_ORDER: Final = ("prediction", "model", "dataset", "example", "person", "promotion", "evaluation", "job", MORE)
_PAGES: Final = {"model": "/models/", "dataset": "/datasets/", "job": "/jobs/"}

Direction = Literal["came_from", "led_to"]


def link_of(node: LineageNode) -> str:
    """Return where a box leads: the thing's own lineage; of a person, what they have submitted."""
    return f"/jobs?actor={quote(node.id, safe='')}" if node.kind == PERSON else f"/lineage/{node.id}"


def page_of(node: LineageNode) -> str | None:
    """Return the page that shows a thing itself, if there is one."""
    return _PAGES[node.kind] + node.id if node.kind in _PAGES else None


def some(node: LineageNode, direction: Direction, most: int) -> tuple[list[LineageNode], list[LineageNode]]:
    """Return the things next to one, ``most`` of a kind; and for each kind that has more, a box that says how many."""
    found: dict[str, list[LineageNode]] = defaultdict(list)
    for other in getattr(node, direction):
        found[other.kind].append(other)
    shown = [other for kind in found for other in found[kind][:most]]
    rest = []
    for kind, others in found.items():
        total = max(len(others), _total(node, kind, direction))
        if total > most:
            rest.append(
                LineageNode(id=node.id, kind=MORE, title=f"and {words.figure(total - min(most, len(others)))} more")
            )
    return shown, rest


def _total(node: LineageNode, kind: str, direction: Direction) -> int:
    """Return how many there are beyond those that the lineage lists."""
    listed = {("dataset", "example", "came_from"), ("model", "prediction", "led_to")}
    return node.count or 0 if (node.kind, kind, direction) in listed else 0


@dataclass
class _Graph:
    """Boxes by key with their layer (0: the thing itself, left below, right above), and who leads to whom."""

    with_jobs: bool
    nodes: dict[str, LineageNode] = field(default_factory=dict)
    layers: dict[str, int] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def add(self, node: LineageNode, layer: int, direction: Direction) -> str:
        """Add a thing and all behind it in one direction; return its key."""
        key = f"{node.kind}:{node.id}:{node.title if node.kind == MORE else ''}"
        self.nodes.setdefault(key, node)
        if key not in self.layers or abs(layer) > abs(self.layers[key]):
            self.layers[key] = layer
        step = -1 if direction == "came_from" else 1
        shown, rest = some(node, direction, _FEW)
        for other in (*shown, *rest):
            if other.kind == "job" and layer and not self.with_jobs:
                continue
            edge = (self.add(other, layer + step, direction), key)
            edge = edge if direction == "came_from" else (edge[1], edge[0])
            if edge not in self.edges and edge[::-1] not in self.edges:
                self.edges.append(edge)
        return key

    def columns(self) -> list[list[str]]:
        """Return the keys of each layer, from left to right, things of a kind together."""
        found: dict[int, list[str]] = defaultdict(list)
        for key, layer in self.layers.items():
            found[layer].append(key)
        return [sorted(found[layer], key=self._place) for layer in sorted(found)]

    def _place(self, key: str) -> tuple[int, int]:
        kind = self.nodes[key].kind
        beside = next((self.nodes[a].kind for a, b in self.edges if b == key), "")
        if kind == MORE:  # right below those that it counts
            ends = [self.nodes[b if a == key else a].kind for a, b in self.edges if key in {a, b}]
            kind = "example" if "dataset" in ends else "prediction" if "model" in ends else MORE
            return _ORDER.index(kind), 1
        return _ORDER.index(kind) if kind in _ORDER else len(_ORDER), -1 if beside == "dataset" else 0


def draw(top: LineageNode) -> Markup:
    """Draw a thing's lineage."""
    graph = _Graph(with_jobs=top.kind == "job")
    graph.add(top, 0, "came_from")
    middle = graph.add(top, 0, "led_to")
    columns = graph.columns()
    tallest = max(len(column) for column in columns)
    width = (len(columns) - 1) * _STEP[0] + _BOX[0] + 2 * _EDGE
    height = (tallest - 1) * _STEP[1] + _BOX[1] + 2 * _EDGE
    places = {
        key: (_EDGE + across * _STEP[0], _EDGE + (down + (tallest - len(column)) / 2) * _STEP[1])
        for across, column in enumerate(columns)
        for down, key in enumerate(column)
    }
    lines = [_curve(places[a], places[b]) for a, b in graph.edges]
    boxes = [_box(graph.nodes[key], places[key], here=key == middle) for column in columns for key in column]
    counted = Counter(node.kind for node in graph.nodes.values() if node.kind != MORE)
    told = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counted.items())
    return element(
        "svg", element("title", f"Lineage: {told}"), together([*lines, *boxes]),
        class_="lineage", role="group", width=width, height=height, viewBox=f"0 0 {width:.0f} {height:.0f}",
    )  # fmt: skip


def _curve(a: tuple[float, float], b: tuple[float, float]) -> Markup:
    x1, y1 = a[0] + _BOX[0], a[1] + _BOX[1] / 2
    x2, y2 = b[0], b[1] + _BOX[1] / 2
    bend = max((x2 - x1) / 2, 24.0)
    return element(
        "path",
        class_="thread",
        d=f"M{x1:.0f} {y1:.1f}C{x1 + bend:.0f} {y1:.1f} {x2 - bend:.0f} {y2:.1f} {x2:.0f} {y2:.1f}",
    )


def _box(node: LineageNode, at: tuple[float, float], *, here: bool) -> Markup:
    x, y = at
    title = _short(node)
    name = "" if node.kind == MORE else node.kind
    inside = [
        element("title", f"{name}: {title}" if name else title),
        element("rect", x=x, y=y, width=_BOX[0], height=_BOX[1], rx=25.0 if node.kind == PERSON else 8.0),
        element("text", name, class_="kind", x=x + 14, y=y + 19) if name else "",
        element("text", _cut(title), class_="title", x=x + 14, y=y + (37 if name else 30)),
    ]
    return element(
        "a", *inside, class_=f"box {node.kind}{' here' if here else ''}", href=link_of(node),
        aria_current="true" if here else None,
    )  # fmt: skip


def _short(node: LineageNode) -> str:
    """Return what a box says: less than its title where the drawing as a whole says the rest."""
    match node.kind:
        case "person":
            return node.id
        case "prediction":
            return node.title.partition(" by path ")[2] or node.title
        case "model":
            return node.title.partition(" ")[2]
        case "dataset":
            return f"{words.figure(node.count or 0)} rows"
        case _:
            return node.title


def _cut(text: str) -> str:
    return text if len(text) <= _TITLE else text[: _TITLE - 1] + "…"


def without_names(node: LineageNode) -> LineageNode:
    """Return the same lineage for those who may not read who labelled: people stand there without a name."""
    if node.kind == PERSON:
        return node.model_copy(update={"id": "somebody"})
    return node.model_copy(
        update={
            "came_from": tuple(without_names(other) for other in node.came_from),
            "led_to": tuple(without_names(other) for other in node.led_to),
        }
    )
