"""What a queue's page does without script: decide, skip, reveal and the like, one form for each item.

With script the page asks the API itself, and never comes here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import Request
from psycopg import Connection
from starlette.responses import Response

from api.deps import FrontDep
from api.middleware import BODY
from api.review.items.decisions import WHOLE, WITH_FIELDS, Written, read_form
from api.review.items.queues import Queue, one_shown, queue_of
from api.review.render import render
from api.review.route import Visitor, require, send_to, site_router
from api.routes.review import ItemId, Kind, PipelineName
from api.security import Principal
from shared.contracts import JsonObject, Scope
from shared.errors import ConflictError, InvalidInputError
from shared.loop import review, review_work
from shared.registry import get_pipeline

_site = site_router()
ROUTERS: Final = (_site,)

_DECIDE: Final = "decide"
_REVEAL: Final = "reveal"


@_site.post("/review/{pipeline}/{kind}/{item}", name="site.review.act")
def act(
    request: Request, front: FrontDep, visitor: Visitor, *, pipeline: PipelineName, kind: Kind, item: ItemId
) -> Response:  # fmt: skip
    """Do what the pressed button says. What is faulty comes back as it was written, with what is wrong."""
    require(request, Scope.REVIEW)
    queue = queue_of(pipeline, kind)
    given = parse_qsl(bytes(request.scope.get(BODY, b"")).decode("utf-8", "replace"), keep_blank_values=True)
    said, who = dict(given), visitor.principal
    try:
        with front.database.transaction() as conn:
            if said.get("do") == _REVEAL:
                scores = review.reveal(conn, get_pipeline(pipeline), kind, item, reviewer=who.name)
                return _page(request, conn, queue, item, who, scores=scores)
            told = _do(conn, queue, item, who, given)
    except InvalidInputError as error:
        written = read_form(given) if WHOLE not in said else Written({}, None, {})
        return _again(request, queue, item, who, said=_values(given), written=written, message=error.message)
    except ConflictError as error:
        return send_to(queue.path, f"{error.message[:1].upper()}{error.message[1:]}. {error.advice}".strip())
    return send_to(said["to"] if said.get("to") == "/review" else queue.path, told)


def _values(given: list[tuple[str, str]]) -> dict[str, str]:
    """Return what was written by field; of a list, a line for each entry."""
    values: dict[str, str] = {}
    for name, text in given:
        values[name] = f"{values[name]}\n{text}" if name in values else text
    return values


def _do(conn: Connection, queue: Queue, item: str, who: Principal, given: list[tuple[str, str]]) -> str:
    said = dict(given)
    what = said.get("do") or (_DECIDE if {WHOLE, WITH_FIELDS} & said.keys() else "")
    if what == _DECIDE:
        written = read_form(given)
        review.decide(
            conn, get_pipeline(queue.pipeline), queue.kind, item,
            reviewer=who.name, decision=written.decision, note=written.note,
        )  # fmt: skip
        return "Your decision is stored."
    done = _OTHERS.get(what)
    if done is None:
        raise InvalidInputError("choose what to do", advice="press one of the item's buttons")
    return done(conn, queue, item, who, said)


def _skip(conn: Connection, queue: Queue, item: str, who: Principal, _said: Mapping[str, str]) -> str:
    review_work.skip(conn, get_pipeline(queue.pipeline), queue.kind, item, reviewer=who.name)
    return "Skipped: it comes back tomorrow, or when nothing else waits."


def _rework(conn: Connection, queue: Queue, item: str, who: Principal, said: Mapping[str, str]) -> str:
    reason = said.get("reason", "").strip()
    review_work.rework(conn, get_pipeline(queue.pipeline), queue.kind, item, reviewer=who.name, reason=reason)
    return "It needs rework: nobody is asked about it until it is put back."


def _put_back(conn: Connection, queue: Queue, item: str, who: Principal, _said: Mapping[str, str]) -> str:
    review_work.put_back(conn, get_pipeline(queue.pipeline), queue.kind, item, by=who.name)
    return "It is back in its queue."


def _take(conn: Connection, queue: Queue, item: str, who: Principal, _said: Mapping[str, str]) -> str:
    pipeline = get_pipeline(queue.pipeline)
    review_work.assign(
        conn, pipeline, queue.kind, item, reviewer=who.name, by=who.name, admin=who.may(Scope.ADMIN)
    )  # fmt: skip
    return "It is yours: nobody else is asked about it."


def _open(conn: Connection, queue: Queue, item: str, who: Principal, _said: Mapping[str, str]) -> str:
    pipeline = get_pipeline(queue.pipeline)
    review_work.release(conn, pipeline, queue.kind, item, by=who.name, admin=who.may(Scope.ADMIN))
    return "It is open for all."


def _undo(conn: Connection, queue: Queue, item: str, who: Principal, _said: Mapping[str, str]) -> str:
    review.undo(conn, get_pipeline(queue.pipeline), queue.kind, item, reviewer=who.name, by=who.name)
    return "Your decision is taken back."


_Act = Callable[[Connection, Queue, str, Principal, Mapping[str, str]], str]
_OTHERS: Final[Mapping[str, _Act]] = {
    "skip": _skip, "rework": _rework, "put-back": _put_back, "take": _take, "open": _open, "undo": _undo,
}  # fmt: skip


def _again(
    request: Request,
    queue: Queue,
    item: str,
    who: Principal,
    *,
    said: Mapping[str, str],
    written: Written,
    message: str,
) -> Response:
    """Show the form again, as it was written, with what is wrong beside the fields."""
    front = request.app.state.front
    pipeline = get_pipeline(queue.pipeline)

    def build(conn: Connection) -> Response:
        found = review.faults(conn, pipeline, queue.kind, item, written.decision) if WITH_FIELDS in said else []
        faults: dict[str, str] = {}
        for each in found:
            path = written.names.get(each.field, each.field).partition(":")[0]
            faults[path] = f"{faults[path]}; {each.message}" if path in faults else each.message
        return _page(
            request, conn, queue, item, who, status=422, values=said, faults=faults or {"": f"{message}."}
        )  # fmt: skip

    answer: Response = front.database.read(build)
    return answer


def _page(
    request: Request, conn: Connection, queue: Queue, item: str, who: Principal, *, status: int = 200, **shown: Any
) -> Response:
    data: JsonObject = {"queue": queue, "items": [one_shown(conn, queue, item, who.name, **shown)]}
    return render(request, "review/queue.html", data, status=status)
