"""Queues as pages show them: what waits, how far a person is, and items with the template that shows them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final

from psycopg import Connection

from api.review.items.more import more_of
from api.review.render import STATIC, environment
from shared.contracts import JsonObject
from shared.db.reviews_work import Rework, assignment_of, count_assigned
from shared.loop import review as loop
from shared.loop.review_progress import Progress, progress
from shared.loop.review_work import list_reworks
from shared.pipeline import Pipeline
from shared.registry import get_pipeline
from shared.review import Item, Review

_FILLED_BY: Final[Mapping[tuple[str, str], str]] = {
    ("dedup", "clusters"): "tuneyard dedup ingest --file statements.csv --source interviews\ntuneyard dedup cluster",
    ("dedup", "merges"): "tuneyard dedup ingest --mode auto --file statements.csv --source interviews",
    ("gold", "conclusions"): "tuneyard gold reseed --quotes quotes.csv --invoices invoices.csv --jobs jobs.csv",
    ("images", "disagreements"): "tuneyard images score",
    ("images", "ratings"): "tuneyard images import --images FOLDER",
    ("router", "labels"): "tuneyard router query 'How many primes are there below 100?'",
    ("stages", "rows"): "tuneyard stages run-packs",
}
_GENERIC: Final = "review/generic.html"
_MOST_WITHOUT: Final = 50
_REWORKS: Final = 5


@dataclass(frozen=True, kw_only=True)
class Queue:
    """One kind of items of a pipeline, as its page shows it."""

    pipeline: str
    review: Review
    template: str
    """What shows an item: the kind's own template, or the generic one."""
    styles: str | None
    """A style sheet of the pipeline's own."""
    script: str | None
    """A script of the pipeline's own, which items name in ``data-enhance``: there before anybody presses a key."""

    @property
    def kind(self) -> str:
        """The kind's name."""
        return self.review.kind

    @property
    def filled_by(self) -> str:
        """The command that brings new items, where there is one."""
        return _FILLED_BY.get((self.pipeline, self.kind), "")

    @property
    def path(self) -> str:
        """Where the page is."""
        return f"/review/{self.pipeline}/{self.kind}"

    @property
    def schema(self) -> JsonObject:
        """The JSON schema of a decision: the generic template makes a form of it."""
        return self.review.decision.model_json_schema()


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An item on a page. ``values`` and ``faults`` are of a form that comes back, ``scores`` of a reveal."""

    item: Item
    more: Mapping[str, Any]
    values: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    scores: JsonObject | None = None
    mine: bool = False
    """Whether it is assigned to whoever looks."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A queue in the list of all."""

    queue: Queue
    progress: Progress
    reworks: Sequence[Rework]
    assigned: int
    """How many items are assigned to whoever looks, and not answered yet."""
    others: int
    """How many are assigned to other people."""

    @property
    def worth(self) -> bool:
        """Whether there is anything to do."""
        return self.progress.waiting > 0 or self.assigned > 0


def queue_of(pipeline: str, kind: str) -> Queue:
    """Return a queue. Raises NotFoundError."""
    return _queue(pipeline, loop.review_of(get_pipeline(pipeline), kind))


def next_shown(
    conn: Connection, queue: Queue, reviewer: str, *, limit: int, without: Collection[str] = ()
) -> list[Shown]:
    """Return the next items for a person, besides those that the page has already."""
    many = limit + min(len(without), _MOST_WITHOUT)
    found = loop.next_items(conn, get_pipeline(queue.pipeline), queue.kind, reviewer=reviewer, limit=many)
    return [_shown(queue, item, reviewer) for item in found if item.id not in without][:limit]


def one_shown(conn: Connection, queue: Queue, item_id: str, reviewer: str, **written: Any) -> Shown:
    """Return an item, whether it waits or not. ``written``: fields of ``Shown``. Raises NotFoundError."""
    item = queue.review.show(conn, item_id)
    assignment = assignment_of(conn, queue.pipeline, queue.review.stored_kind, item_id)
    if assignment and not assignment.done:
        item = replace(item, assigned_to=assignment.reviewer)
    return _shown(queue, item, reviewer, **written)


def entries_of(conn: Connection, pipelines: Iterable[Pipeline[Any, Any]], reviewer: str) -> list[Entry]:
    """Return all queues of these pipelines, with what a person wants to know before choosing one."""
    return [_entry(conn, pipeline, review, reviewer) for pipeline in pipelines for review in pipeline.reviews]


def _entry(conn: Connection, pipeline: Pipeline[Any, Any], review: Review, reviewer: str) -> Entry:
    assigned = count_assigned(conn, pipeline.name, review.stored_kind)
    return Entry(
        queue=_queue(pipeline.name, review),
        progress=progress(conn, pipeline, review.kind, reviewer=reviewer),
        reworks=list_reworks(conn, pipeline, review.kind, limit=_REWORKS),
        assigned=assigned.get(reviewer, 0),
        others=sum(count for name, count in assigned.items() if name != reviewer),
    )


def _queue(pipeline: str, review: Review) -> Queue:
    return Queue(
        pipeline=pipeline, review=review, template=_template(pipeline, review.kind),
        styles=_own(f"review_{pipeline}.css"), script=_own(f"review_{pipeline}.js"),
    )  # fmt: skip


def _shown(queue: Queue, item: Item, reviewer: str, **written: Any) -> Shown:
    return Shown(
        item=item, more=more_of(queue.pipeline, queue.kind, item.content), mine=item.assigned_to == reviewer, **written
    )


@cache
def _template(pipeline: str, kind: str) -> str:
    own = f"review/{pipeline}_{kind}.html"
    return own if own in environment().list_templates() else _GENERIC


@cache
def _own(name: str) -> str | None:
    return name if (STATIC / name).is_file() else None
