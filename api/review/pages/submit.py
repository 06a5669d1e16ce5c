"""Everything that can be submitted, and the form of one step."""

import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import parse_qs

from fastapi import Depends, Query
from psycopg import Connection
from starlette.requests import Request

from api.deps import FrontDep
from api.review.forms import Form, form_of, written
from api.review.forms.suggestions import suggestions
from api.review.forms.values import Given
from api.review.route import Visitor, page, site_router
from shared import jobs
from shared.contracts import JsonObject
from shared.errors import ConflictError
from shared.pipeline import Step
from shared.registry import get_step, pipelines, steps
from shared.settings import Settings

_site = site_router()
ROUTERS: Final = (_site,)

KEY: Final = "once"
"""The field that makes two clicks one job."""
_MOST_FIELDS: Final = 1000


def _query(request: Request) -> str:
    return request.url.query


_Query = Annotated[str, Depends(_query)]


@_site.get("/submit", name="site.submit")
@page("submit.html")
def list_steps(_conn: Connection, q: Annotated[str, Query(max_length=200)] = "") -> Mapping[str, Any]:
    """Show all steps by pipeline, or those that hold all the words of a search."""
    words = q.lower().split()
    groups: dict[str, list[Step[Any]]] = defaultdict(list)
    for step in steps().values():
        text = f"{step.kind} {step.summary} {step.queue.value} {step.scope.value}".lower()
        if all(word in text for word in words):
            groups[step.pipeline].append(step)
    summaries = {name: pipeline.summary for name, pipeline in pipelines().items()}
    return {
        "q": q,
        "groups": {name: (summaries.get(name, ""), groups[name]) for name in sorted(groups)},
        "count": sum(map(len, groups.values())),
    }


@_site.get("/submit/{pipeline}/{step}", name="site.submit-step")
@page("submit_step.html")
def show_form(
    conn: Connection,
    *,
    pipeline: str,
    step: str,
    query: _Query,
    visitor: Visitor,
    front: FrontDep,
    like: Annotated[str | None, Query(pattern=r"^job_[0-9a-f]{32}$")] = None,
) -> Mapping[str, Any]:
    """Show a step's form: with its defaults, the values of an earlier job (``like``), or values of the query.

    Raises NotFoundError, or ConflictError when that job was another step's.
    """
    chosen = get_step(f"{pipeline}.{step}")
    form = form_of(chosen.params)
    given = {**written(form, _params_of(conn, like, chosen)), **_asked_for(query)}
    return form_page(conn, Sheet(chosen, form, given), visitor=visitor, settings=front.settings)


class Sheet(NamedTuple):
    """A step's form, and what its inputs hold."""

    step: Step[Any]
    form: Form
    given: Given


def form_page(
    conn: Connection,
    sheet: Sheet,
    *,
    visitor: Visitor,
    settings: Settings,
    faults: Mapping[str, str] | None = None,
    in_the_way: str = "",
) -> Mapping[str, Any]:
    """Return the data of a form's page. ``in_the_way``: a job that must not run together with this one."""
    return {
        "step": sheet.step,
        "form": sheet.form,
        "given": sheet.given,
        "faults": faults or {},
        "faulty": _faulty(sheet.form, faults or {}),
        "in_the_way": in_the_way,
        "suggested": suggestions(conn, sheet.form, sheet.step.pipeline),
        "allowed": visitor.principal.may(sheet.step.scope),
        "most_bytes": settings.max_upload_bytes,
        "once_field": KEY,
        "once": secrets.token_hex(16),
    }


def fields_sent(text: str) -> dict[str, list[str]]:
    """Return what a browser sent, by name: a form's body or a query."""
    return parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)


def _asked_for(query: str) -> Mapping[str, Sequence[str]]:
    try:
        return fields_sent(query)
    except ValueError:  # more fields than any form has
        return {}


def _params_of(conn: Connection, like: str | None, step: Step[Any]) -> JsonObject | None:
    if like is None:
        return None
    job = jobs.get(conn, like)
    if job.kind != step.kind:
        raise ConflictError(f"{like} ran {job.kind}, not {step.kind}", advice="submit it from its own page")
    return job.params


def _faulty(form: Form, faults: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the names and titles of the fields with a fault, in the form's order."""
    found: list[tuple[str, str]] = []
    for each in form:
        found += [(each.name, each.title)] if each.name in faults else []
        found += _faulty(each.fields, faults)
    return found
