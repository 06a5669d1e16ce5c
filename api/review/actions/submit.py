"""Submit a step by its form. A form that is sent twice makes one job."""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import anyio.to_thread
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.deps import Front, FrontDep
from api.middleware import BODY
from api.review.forms import form_of, read
from api.review.pages.submit import KEY, Sheet, fields_sent, form_page
from api.review.render import render
from api.review.route import Visitor, require, send_to, site_router
from api.sessions import Session
from shared import jobs
from shared.errors import InvalidInputError
from shared.jobs import Submission
from shared.registry import get_step

_site = site_router()
ROUTERS: Final = (_site,)


@_site.post("/submit/{pipeline}/{step}", name="site.do-submit")
async def submit(request: Request, pipeline: str, step: str, visitor: Visitor, front: FrontDep) -> Response:
    """Submit the step and go to its job; or show the form again with what is wrong.

    Raises NotFoundError, ForbiddenError, or InvalidInputError when what was sent is no form.
    """
    chosen = get_step(f"{pipeline}.{step}")
    require(request, chosen.scope)
    sheet = Sheet(chosen, form_of(chosen.params), _sent(request))
    reading = read(chosen.params, sheet.form, sheet.given, front.settings.max_json_depth)
    if reading.params is None:
        return await _again(request, sheet, visitor, HTTPStatus.UNPROCESSABLE_ENTITY, faults=reading.faults)
    submission = await _submit(front, sheet, reading.params, visitor.principal.name)
    if submission.conflict:
        return await _again(request, sheet, visitor, HTTPStatus.CONFLICT, in_the_way=submission.job_id)
    told = "The job is submitted." if submission.created else "This form was sent before: here is its job."
    return send_to(f"/jobs/{submission.job_id}", told)


async def _submit(front: Front, sheet: Sheet, params: BaseModel, actor: str) -> Submission:
    """Write the job. Its key is the form's and the values': values that were changed since make another job."""
    once = sheet.given.get(KEY, [""])[-1]
    request = f"{once}\n{sheet.step.kind}\n{params.model_dump_json()}"
    key = f"form-{hashlib.sha256(request.encode()).hexdigest()}" if once else None
    return await front.submitter.submit(jobs.new_job(sheet.step, params, actor=actor, idempotency_key=key))


async def _again(request: Request, sheet: Sheet, visitor: Session, status: HTTPStatus, **what: Any) -> Response:
    """Show the form with what the person typed, and what is wrong with it."""
    front: Front = request.app.state.front
    data = await anyio.to_thread.run_sync(
        lambda: front.database.read(
            lambda conn: form_page(conn, sheet, visitor=visitor, settings=front.settings, **what)
        )
    )
    return render(request, "submit_step.html", data, status=status)


def _sent(request: Request) -> Mapping[str, list[str]]:
    body: bytes = request.scope.get(BODY, b"")
    try:
        return fields_sent(body.decode("utf-8", "replace"))
    except ValueError:
        raise InvalidInputError("the form has too many fields", advice="open the form again") from None
