"""What a form offers for fields that take an id: the latest things of the pipeline, so that nobody types digits."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from psycopg import Connection

from api.review.forms import Field, Form
from api.review.forms.values import Kind
from shared import ids, jobs
from shared.db import datasets, models
from shared.registry import pipelines

_LATEST: Final = 25
_ID: Final = re.compile(r"\^([a-z]+)_\[0-9a-f\]\{32\}\$")


class Suggestion(NamedTuple):
    """An id, and how people know the thing."""

    value: str
    text: str


def suggestions(conn: Connection, form: Form, pipeline: str) -> Mapping[str, Sequence[Suggestion]]:
    """Return suggestions by the name of the field; each kind of thing is looked up once."""
    wanted = {each.name: prefix for each in form if (prefix := _prefix_of(each)) in _LOOK_UP}
    found = {prefix: _LOOK_UP[prefix](conn, pipeline) for prefix in set(wanted.values())}
    by_id = {name: found[prefix] for name, prefix in wanted.items() if found[prefix]}
    return {**by_id, **_surfaces(form, pipeline)}


def _surfaces(form: Form, pipeline: str) -> Mapping[str, Sequence[Suggestion]]:
    """Return the pipeline's surfaces for the field that takes one as a text."""
    if pipeline not in pipelines() or not any(each.name == "surface" and each.kind is Kind.TEXT for each in form):
        return {}
    return {"surface": [Suggestion(surface, "") for surface in pipelines()[pipeline].surfaces]}


def _prefix_of(each: Field) -> str:
    """Return what an id of the field begins with: as its pattern says, or, where names are taken too, as it is called.

    A field that also takes a file may say how what it takes besides looks (``names``).
    """
    for rule in (each.schema.get("pattern"), each.schema.get("names")):
        if rule and (found := _ID.fullmatch(rule)):
            return found[1]
    return {"model": ids.MODEL}.get(str(each.schema.get("also", "")), "")


def _models(conn: Connection, pipeline: str) -> list[Suggestion]:
    found = models.list_models(conn, pipeline=pipeline, limit=_LATEST)
    return [Suggestion(model.id, f"{model.surface} {model.version}, {model.state}") for model in found]


def _datasets(conn: Connection, pipeline: str) -> list[Suggestion]:
    found = datasets.list_datasets(conn, pipeline=pipeline, limit=_LATEST)
    return [Suggestion(each.id, f"{each.surface}, {each.row_count:,} rows, {_day(each.created_at)}") for each in found]


def _jobs(conn: Connection, pipeline: str) -> list[Suggestion]:
    found = jobs.list_jobs(conn, pipeline=pipeline, limit=_LATEST)
    return [Suggestion(job.id, f"{job.kind}, {job.state}, {_day(job.created_at)}") for job in found]


def _day(at: object) -> str:
    return f"{at:%Y-%m-%d}"


_LOOK_UP: Final[Mapping[str, Callable[[Connection, str], list[Suggestion]]]] = {
    ids.MODEL: _models, ids.DATASET: _datasets, ids.JOB: _jobs,
}  # fmt: skip
