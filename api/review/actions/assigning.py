"""Assign the next items of a queue to oneself, or as an administrator to somebody else; open them for all again."""

from typing import Annotated, Final

from fastapi import Form, Request
from starlette.responses import Response

from api.deps import FrontDep
from api.review.items.queues import entries_of
from api.review.render import render
from api.review.route import Visitor, require, send_to, site_router
from api.routes.review import Kind, PipelineName
from shared.contracts import Scope
from shared.errors import ConflictError, InvalidInputError
from shared.loop import review_work
from shared.registry import get_pipeline, pipelines

_site = site_router()
ROUTERS: Final = (_site,)

_LIST: Final = "/review"
_Text = Annotated[str, Form(max_length=200, pattern=r"^[^\x00]*$")]


@_site.post("/review/{pipeline}/{kind}/assign", name="site.review.assign")
def assign(
    request: Request, front: FrontDep, visitor: Visitor, *,
    pipeline: PipelineName, kind: Kind, count: _Text = "", reviewer: _Text = "",
) -> Response:  # fmt: skip
    """Assign so many; the form comes back with what is wrong."""
    require(request, Scope.REVIEW)
    who, name = visitor.principal, reviewer.strip() or visitor.principal.name
    try:
        with front.database.transaction() as conn:
            found = review_work.assign_next(
                conn, get_pipeline(pipeline), kind,
                reviewer=name, count=_number(count), by=who.name, admin=who.may(Scope.ADMIN),
            )  # fmt: skip
    except (InvalidInputError, ConflictError) as error:
        entries = front.database.read(lambda conn: entries_of(conn, pipelines().values(), who.name))
        fault = f"{error.message[:1].upper()}{error.message[1:]}: {error.advice}."
        asked = {"place": f"{pipeline}/{kind}", "count": count, "reviewer": reviewer, "fault": fault}
        return render(request, "review/index.html", {"entries": entries, "asked": asked}, status=422)
    if not found:
        return send_to(_LIST, "Nothing is open there that could be assigned.")
    return send_to(_LIST, f"{len(found)} {'item is' if len(found) == 1 else 'items are'} for {name} alone now.")


@_site.post("/review/{pipeline}/{kind}/release", name="site.review.release")
def release(
    request: Request, front: FrontDep, visitor: Visitor, pipeline: PipelineName, kind: Kind
) -> Response:  # fmt: skip
    """Open for all what is one's own and not decided on."""
    require(request, Scope.REVIEW)
    who = visitor.principal
    with front.database.transaction() as conn:
        count = review_work.release_all(
            conn, get_pipeline(pipeline), kind, reviewer=who.name, by=who.name, admin=who.may(Scope.ADMIN)
        )
    return send_to(_LIST, f"{count} {'item is' if count == 1 else 'items are'} open for all again.")


def _number(text: str) -> int:
    if not text.strip().isdecimal():
        raise InvalidInputError("this is no number of items", advice="enter a whole number, as 20")
    return int(text.strip()[:10])
