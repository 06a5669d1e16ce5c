"""What a page works out of an item's content before a person sees it, by pipeline and kind: never a score."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from api.review.items.differences import compare
from api.review.items.readings import reading_of
from api.review.items.snapshots import snapshot_of
from shared.contracts import JsonObject
from shared.pipelines.images.contracts import to_stars
from shared.pipelines.images.policy import policy as images_policy


def more_of(pipeline: str, kind: str, content: JsonObject) -> Mapping[str, Any]:
    """Return what the template of a kind gets as ``more``; nothing where nothing is to be worked out."""
    found = _MORE.get((pipeline, kind))
    return found(content) if found else {}


def _statements(content: JsonObject) -> Mapping[str, Any]:
    """Return the statements word by word, the one that is most like all others first."""
    return {"compared": compare([each["statement"] for each in content["statements"]])}


def _stars(_content: JsonObject) -> Mapping[str, Any]:
    """Return how many stars `good` and `bad` stand for, as where labels of yes and no are imported; and the line."""
    good, bad = round(to_stars(1.0)), round(to_stars(0.0))
    return {"good": good, "bad": bad, "line": to_stars(images_policy().binary_threshold)}


_MORE: Final[Mapping[tuple[str, str], Callable[[JsonObject], Mapping[str, Any]]]] = {
    ("dedup", "clusters"): _statements,
    ("dedup", "merges"): _statements,
    ("gold", "conclusions"): snapshot_of,
    ("images", "disagreements"): _stars,
    ("images", "ratings"): _stars,
    ("stages", "rows"): reading_of,
}
