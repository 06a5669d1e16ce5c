"""What a page works out of an item's content before a person sees it, by pipeline and kind: never a score."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from api.review.differences import compare
from api.review.readings import reading_of
from api.review.snapshots import snapshot_of
from shared.contracts import JsonObject
from shared.pipelines.images.policy import policy as images_policy

_BEST: Final = 5


def more_of(pipeline: str, kind: str, content: JsonObject) -> Mapping[str, Any]:
    """Return what the template of a kind gets as ``more``; nothing where nothing is to be worked out."""
    found = _MORE.get((pipeline, kind))
    return found(content) if found else {}


def _statements(content: JsonObject) -> Mapping[str, Any]:
    """Return the statements word by word, the one that is most like all others first."""
    return {"compared": compare([each["statement"] for each in content["statements"]])}


def _stars(_content: JsonObject) -> Mapping[str, Any]:
    """Return how many stars `good` and `bad` stand for: the middle of those that policy counts so."""
    line = 1 + images_policy().binary_threshold * (_BEST - 1)
    good = [stars for stars in range(1, _BEST + 1) if stars >= line]
    bad = [stars for stars in range(1, _BEST + 1) if stars < line]
    return {"good": good[(len(good) - 1) // 2], "bad": bad[(len(bad) - 1) // 2], "line": line}


_MORE: Final[Mapping[tuple[str, str], Callable[[JsonObject], Mapping[str, Any]]]] = {
    ("dedup", "clusters"): _statements,
    ("dedup", "merges"): _statements,
    ("gold", "conclusions"): snapshot_of,
    ("images", "disagreements"): _stars,
    ("images", "ratings"): _stars,
    ("stages", "rows"): reading_of,
}
