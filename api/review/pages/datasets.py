"""All frozen datasets, newest first, and what changed between two of them."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Query
from psycopg import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.deps import FrontDep
from api.paging import Cursor, DatasetId
from api.review.render import render
from api.review.route import page, site_router
from api.review.views.readable import readable
from shared.dataset_diff import Change, compare
from shared.datasets import open_dataset
from shared.db import datasets
from shared.db.datasets import DatasetRecord
from shared.registry import pipelines

_site = site_router()
ROUTERS: Final = (_site,)

_PAGE: Final = 50
_FILES: Final = "llm"  # training files that were checked and trained on; frozen like any other
_KINDS: Final = (
    ("added", "Added"), ("removed", "Removed"), ("label", "Label changed"), ("split", "Split changed"),
    ("changed", "Changed in any way"),
)  # fmt: skip


@_site.get("/datasets", name="site.datasets")
@page("datasets.html")
def list_datasets(
    conn: Connection,
    of: Annotated[str, Query(pattern=r"^([a-z][a-z0-9_-]{0,62}(/[a-z][a-z0-9_]{0,62})?)?$")] = "",
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Show datasets, those of one pipeline or surface if asked for."""
    pipeline, _, surface = of.partition("/")
    found = datasets.list_datasets(
        conn, pipeline=pipeline or None, surface=surface or None, before=cursor, limit=_PAGE + 1
    )
    shown = found[:_PAGE]
    more = {"of": of, "cursor": shown[-1].id} if len(found) > _PAGE else None
    return {
        "datasets": [(each, _one_before(each, found)) for each in shown],
        "of": of,
        "choices": _choices(),
        "more": f"/datasets?{urlencode(more)}" if more else None,
    }


@_site.get("/datasets/{dataset_id}/diff/{other_id}", name="site.datasets.diff")
def show_diff(
    request: Request,
    front: FrontDep,
    dataset_id: DatasetId,
    other_id: DatasetId,
    *,
    change: Change | None = None,
    cursor: Cursor = None,
) -> Response:
    """Compare two datasets example by example. No transaction is open while their files are read."""
    with front.database.reading() as conn:
        before, after = (datasets.get(conn, each) for each in (dataset_id, other_id))
    opened = [open_dataset(front.artifacts, each.manifest) for each in (before, after)]
    found = compare(opened[0], opened[1], _PAGE, behind=cursor or "", change=change)
    counts = {"added": found.added, "removed": found.removed, "label": found.relabelled, "split": found.moved,
              "changed": found.changed}  # fmt: skip
    more = {"change": change or "", "cursor": found.next_cursor or ""}
    return render(
        request,
        "dataset_diff.html",
        {
            "before": before, "after": after, "found": found, "change": change, "first": cursor is None,
            "kinds": [(kind, name, counts[kind]) for kind, name in _KINDS],
            "alike": (before.pipeline, before.surface) == (after.pipeline, after.surface),
            "more": f"?{urlencode({k: v for k, v in more.items() if v})}" if found.next_cursor else None,
            "readable": readable,
        },
    )  # fmt: skip


def _choices() -> list[str]:
    chosen = [_FILES]
    for pipeline in pipelines().values():
        chosen.append(pipeline.name)
        if len(pipeline.surfaces) > 1:
            chosen += [f"{pipeline.name}/{surface}" for surface in pipeline.surfaces]
    return sorted(chosen)


def _one_before(dataset: DatasetRecord, listed: list[DatasetRecord]) -> str | None:
    """Return the id of the dataset of the same surface that was frozen before, if it is listed too.

    Training files have none: each is what another surface's model learns from.
    """
    if dataset.pipeline == _FILES:
        return None
    behind = listed[listed.index(dataset) + 1 :]
    return next((d.id for d in behind if (d.pipeline, d.surface) == (dataset.pipeline, dataset.surface)), None)
