"""Where a thing came from and what it led to: from an answer to the people behind it, and from a label on."""

import re
from typing import Annotated, Any, Final

from fastapi import Query
from psycopg import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.deps import FrontDep
from api.paging import AnyId
from api.review.charts.lineage import draw, link_of, page_of, some, without_names
from api.review.render import render
from api.review.route import Visitor, page, site_router
from shared.contracts import Scope
from shared.db import datasets, predictions, promotions
from shared.lineage import lineage
from shared.registry import pipelines

_site = site_router()
ROUTERS: Final = (_site,)

_ID: Final = re.compile(r"(job|ds|mdl|pred|promo|eval|ex|img)_[0-9a-f]{32}")
_LATEST: Final = 3  # answers of a surface to begin with
_OTHERS: Final = 5
_LISTED: Final = 8  # of a kind, in the list beside the drawing


@_site.get("/lineage", name="site.lineage")
def begin(
    request: Request, front: FrontDep, thing: Annotated[str | None, Query(alias="id", max_length=200)] = None
) -> Response:
    """Ask for an id, with the latest answers, promotions and datasets to begin with."""
    wanted = (thing or "").strip()
    if _ID.fullmatch(wanted):
        return RedirectResponse(f"/lineage/{wanted}", status_code=303)
    with front.database.reading() as conn:
        data = _beginnings(conn)
    fault = "" if thing is None else "This is no id of ours: copy a whole one, as pred_… or ds_… with 32 digits."
    return render(request, "lineage.html", {**data, "wanted": wanted, "fault": fault}, status=422 if fault else 200)


@_site.get("/lineage/{thing_id}", name="site.lineage.thing")
@page("lineage_of.html")
def show_lineage(conn: Connection, thing_id: AnyId, front: FrontDep, visitor: Visitor) -> dict[str, Any]:
    """Draw a thing's lineage. What was asked is never shown; who labelled, to those who review."""
    top = lineage(conn, front.artifacts, thing_id)
    reads = visitor.principal.may(Scope.REVIEW)
    shown = top if reads else without_names(top)
    return {
        "top": shown, "drawing": draw(shown), "reads": reads, "page_of": page_of, "link_of": link_of,
        "some": lambda node, direction: some(node, direction, _LISTED),
    }  # fmt: skip


def _beginnings(conn: Connection) -> dict[str, Any]:
    answers = [
        answer for name in pipelines() for answer in predictions.list_predictions(conn, pipeline=name, limit=_LATEST)
    ]
    return {
        "answers": sorted(answers, key=lambda answer: answer.id, reverse=True),
        "promotions": promotions.list_promotions(conn, limit=_OTHERS),
        "datasets": datasets.list_datasets(conn, limit=_OTHERS),
    }
