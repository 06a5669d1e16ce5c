"""What people do with models: promote, activate, roll back, deactivate, canary, pin. Each submits the loop's own step.

The page goes on to the job, which says what became of it: "no" is a result too, told in plain words.
"""

import hashlib
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final, NamedTuple

from fastapi import Form
from psycopg import Connection
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from api.deps import Front, FrontDep
from api.paging import ModelId
from api.review.pages.model import model_data
from api.review.pages.surface import PipelineName, Sent, SurfaceName, surface_data
from api.review.render import render
from api.review.route import Visitor, needs, send_to, site_router
from shared import jobs, models
from shared.contracts import JsonObject, Scope
from shared.errors import ConflictError, InvalidInputError
from shared.loop.choice import require_surface
from shared.pipeline import Step
from shared.registry import get_pipeline, get_step
from workers.dispatch import wake_up

_site = site_router()
ROUTERS: Final = (_site,)

Once = Annotated[str, Form(pattern=r"^[0-9a-f]{32}$")]
Word = Annotated[str, Form(max_length=2000)]


class _Act(NamedTuple):
    """What a button means: the loop's step, what it always sends, and whether people must say why."""

    step: str
    params: Mapping[str, Any] = {}
    reason: bool = True


_OF_MODEL: Final[Mapping[str, _Act]] = {
    "try": _Act("promote", {"dry_run": True}, reason=False),
    "promote": _Act("promote", reason=False),
    "activate": _Act("activate"),
    "rollback": _Act("rollback"),
    "deactivate": _Act("deactivate"),
    "canary": _Act("canary", reason=False),
    "canary-end": _Act("canary", {"percent": 0}, reason=False),
}
_OF_SURFACE: Final[Mapping[str, _Act]] = {
    "rollback": _Act("rollback"),
    "deactivate": _Act("deactivate"),
    "canary-end": _Act("canary", {"percent": 0}, reason=False),
    "pin": _Act("pin"),
    "unpin": _Act("unpin"),
}
_WORDS: Final[Mapping[str, str]] = {
    "force needs a reason": "Say why: who forces something leaves a reason in the history.",
}


class _Fields(NamedTuple):
    """What the forms of these pages have; each sends some of them."""

    do: str
    once: str
    reason: str
    percent: str
    force: bool
    accept_sunset: bool


@_site.post("/models/{model_id}", name="site.act-on-model")
@needs(Scope.PROMOTE)
def act_on_model(
    request: Request, front: FrontDep, visitor: Visitor, *, model_id: ModelId, do: Word, once: Once,
    reason: Word = "", percent: Word = "", force: Annotated[bool, Form()] = False,
    accept_sunset: Annotated[bool, Form()] = False,
) -> Response:  # fmt: skip
    """Submit what a person wants of a model, or show the form again with what is wrong."""
    fields = _Fields(do, once, reason, percent, force, accept_sunset)
    act = _chosen(_OF_MODEL, do)
    model = front.database.read(lambda conn: models.get(conn, model_id))
    step = get_step(f"{get_pipeline(model.pipeline).name}.{act.step}")
    params = _params(act, step, fields, {"surface": model.surface, "model_id": model.id})
    if faults := _faults(act, step, params):
        return _again(request, front, "model.html", lambda conn: model_data(conn, model, sent=_sent(fields, faults)))
    return _submitted(front, step, params, visitor.principal.name, once)


@_site.post("/models/{pipeline}/{surface}", name="site.act-on-surface")
@needs(Scope.PROMOTE)
def act_on_surface(
    request: Request, front: FrontDep, visitor: Visitor, *, pipeline: PipelineName, surface: SurfaceName, do: Word,
    once: Once, reason: Word = "",
) -> Response:  # fmt: skip
    """Submit what a person wants of a surface, or show the form again with what is wrong."""
    known = get_pipeline(pipeline)
    require_surface(known, surface)
    fields = _Fields(do, once, reason, "", force=False, accept_sunset=False)
    act = _chosen(_OF_SURFACE, do)
    step = get_step(f"{known.name}.{act.step}")
    params = _params(act, step, fields, {"surface": surface})
    if faults := _faults(act, step, params):
        sent = _sent(fields, faults)
        return _again(request, front, "models_surface.html", lambda conn: surface_data(conn, known, surface, sent=sent))
    return _submitted(front, step, params, visitor.principal.name, once)


def _again(
    request: Request, front: Front, template: str, read: Callable[[Connection], Mapping[str, Any]]
) -> Response:  # fmt: skip
    """Show the page with the form as it was sent, and what is wrong with it."""
    return render(request, template, front.database.read(read), status=HTTPStatus.UNPROCESSABLE_ENTITY)


def _chosen(acts: Mapping[str, _Act], do: str) -> _Act:
    if do not in acts:
        raise InvalidInputError("this page has no such button", advice="load the page again, then try again")
    return acts[do]


def _params(act: _Act, step: Step[Any], fields: _Fields, about: JsonObject) -> JsonObject:
    """Return what the step gets: of what is known, the fields that it has."""
    given: JsonObject = {**about}
    if reason := fields.reason.strip():
        given["reason"] = reason
    if fields.percent.strip():
        percent = fields.percent.strip()
        given["percent"] = int(percent) if percent.isdecimal() else percent
    if fields.force:
        given["force"] = True
    if fields.accept_sunset:
        given["accept_sunset"] = True
    given |= act.params
    return {name: value for name, value in given.items() if name in step.params.model_fields}


def _faults(act: _Act, step: Step[Any], params: JsonObject) -> dict[str, str]:
    """Return what is wrong, by the form's field."""
    if act.reason and "reason" not in params:
        return {"reason": "Say why: the history keeps it for good."}
    try:
        step.params.model_validate(params)
    except ValidationError as error:
        found = {}
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            message = fault["msg"].removeprefix("Value error, ")
            where = str(fault["loc"][0]) if fault["loc"] else "reason"
            found[where] = _WORDS.get(message, message)
        return found
    return {}


def _sent(fields: _Fields, faults: Mapping[str, str]) -> Sent:
    values = {
        "reason": fields.reason,
        "percent": fields.percent,
        "force": "true" if fields.force else "",
        "accept_sunset": "true" if fields.accept_sunset else "",
    }
    return Sent(do="promote" if fields.do == "try" else fields.do, values=values, faults=faults)


def _submitted(front: Front, step: Step[Any], params: JsonObject, actor: str, once: str) -> Response:
    """Write the job, and go on to it. Its key is the form's and the values': two clicks make one job."""
    wanted = step.params.model_validate(params)
    key = hashlib.sha256(f"{once}\n{step.kind}\n{wanted.model_dump_json()}".encode()).hexdigest()
    new = jobs.new_job(step, wanted, actor=actor, idempotency_key=f"form-{key}")
    with front.database.transaction() as conn:
        submission = jobs.submit(conn, [new])[0]
        job = jobs.get(conn, submission.job_id)
    if submission.conflict:
        raise ConflictError(
            f"{step.kind} is under way already, as {job.id}", advice=f"follow it at /jobs/{job.id}, then try again"
        )
    if submission.created:
        front.dispatcher.notify([wake_up(job)])
    return send_to(f"/jobs/{job.id}")
