"""Where people decide: all queues at ``/review``, and one queue at ``/review/{pipeline}/{kind}``.

A queue's page works for every review of every pipeline. A kind without a template of its own gets a form from the JSON
schema of its decision (``review/generic.html``), so that a sixth pipeline's people can start at once. What follows is
what a template of a kind, ``templates/review/<pipeline>_<kind>.html``, builds on.

**What it is.** The inside of one form, around which the engine puts the article (``review/item.html``): no ``<form>``,
no ``<html>``. It is given ``item`` (``id``, ``content``, ``assigned_to``), ``content`` (the same as ``item.content``),
``pipeline``, ``kind``, ``review`` (the kind's ``Review``), ``more`` (what ``api/review/items/more.py`` works out of the
content, where it has a function for this kind), ``values`` (what the person had written, by field name;
a list has a line for each entry; mostly empty)
and ``faults`` (messages by path). Begin with ``{% import "review/parts.html" as parts with context %}``: its macros do
all that is said below.

**Actions** are submit buttons. Their ``value`` is JSON:

* ``<button name="decision" value='{"stars": 1}' data-key="1">``: this JSON is the whole decision, fields are ignored;
* ``<button name="with-fields" value='{"decision": "approve"}' data-key="Enter">``: the fields' values, and this JSON
  put over them.

``parts.choice(key, decision, text, fields=false, kind="")`` writes one. With script or without, the same thing is sent.

**Fields** have the decision's path as their name, with dots into it, and a type behind a colon:
``name="decision"`` text, ``name="stars:integer"``, ``name="share:number"``, ``name="sure:boolean"`` (a checkbox, value
``true``), ``name="evidence.0.metric"`` (a list's first object), ``name="subset:list"`` (each named so, or checked, is
one more entry), ``name="tags:lines"`` (a textarea, a line for each entry), ``name="output:json"``. A ``?`` at the end
(``note:text?``, ``evidence.2.value:number?``) leaves the field out when it is empty; objects of a list that are left
with nothing are left out too. ``name="@note"`` is the note that the loop keeps with any decision. Hidden inputs are
fields as others are. ``parts.text(name, label, value, rows=0, hint="", key="")`` writes one with label and fault.

**Faults.** While a person writes in text fields, ``POST …/check`` is asked (debounced), and each fault is shown in the
element ``data-fault="path"`` (``parts.fault(path)``; the decision as a whole: the engine's own). A ``with-fields``
action with faults is not sent: the first faulty field gets the focus. Faults of fields that nobody touched are not
shown before that.

**Keys.** ``data-key`` on anything in the item: a button or checkbox is clicked, another field gets the focus.
``Enter`` is the main action; Ctrl/⌘+Enter is the same from within a field, where no other key fires; Escape leaves the
field. The engine's own: ``u`` undo, ``s`` skip, ``w`` needs rework, ``r`` reveal, ``a`` take for me or open for all,
``?`` legend, arrows up and down from one thing to the next. Not to be used for others. The legend takes an action's
words from ``data-label``, else from its text without ``<kbd>``.

**Also**: ``data-least="2" data-most="4" data-of="subset:list"`` on a button: it works only while so many of these are
checked. ``data-after-reveal``: hidden until the person asked for the scores (which is logged), and
``data-score="confidence"`` is filled with that score then; all other scores are listed below the item by the engine.
``data-focus`` on a field: it has the focus when the item comes. ``data-enhance="review_images.js"`` on an element: that
module's ``enhance(article)`` is called when the item is loaded. ``data-title`` on an element: what a screen reader is
told when the item comes; else the item's kind and number. ``data-id`` with ``data-called`` on an element: what revealed
scores call the part of this id. ``settle`` may return ``"told"``: a sentence that is shown when the decision has been
stored. Styles: ``static/review.css``; ``static/review_<pipeline>.css`` is loaded where there
is one. Classes to build with: ``.content`` (what is looked at), ``.quote`` (a text as it is, ``<bdi>`` inside),
``.choices`` (the actions' bar, last in the template), ``.two`` (two columns, one on a phone), ``dl.facts``, ``.field``.
"""

from typing import Annotated, Any, Final

from fastapi import Query
from psycopg import Connection
from pydantic import Field

from api.review.items.queues import entries_of, next_shown, one_shown, queue_of
from api.review.route import Visitor, page, site_router
from api.routes.review import ItemId, Kind, PipelineName
from shared.contracts import Scope
from shared.registry import pipelines

_site = site_router()
ROUTERS: Final = (_site,)

AHEAD: Final = 5
"""How many items a page begins with: the one that is shown, and those that wait in the browser."""
_MOST: Final = 20
_ID: Final = r"^[a-z]{1,10}_[0-9a-f]{32}$"
_Ids = Annotated[list[Annotated[str, Field(pattern=_ID)]], Query(max_length=50)]


@_site.get("/review", name="site.review")
@page("review/index.html", scope=Scope.REVIEW)
def list_queues(conn: Connection, visitor: Visitor) -> dict[str, Any]:
    """Show all queues: what waits, how far one is, and what needs rework."""
    return {"entries": entries_of(conn, pipelines().values(), visitor.principal.name), "asked": {"place": ""}}


@_site.get("/review/{pipeline}/{kind}", name="site.review.queue")
@page("review/queue.html", scope=Scope.REVIEW)
def show_queue(
    conn: Connection,
    visitor: Visitor,
    pipeline: PipelineName,
    kind: Kind,
    item: Annotated[str | None, Query(pattern=_ID)] = None,
) -> dict[str, Any]:
    """Show the next item of a queue, with some more behind it; ``item``: begin with this one."""
    queue = queue_of(pipeline, kind)
    first = [one_shown(conn, queue, item, visitor.principal.name)] if item else []
    rest = next_shown(conn, queue, visitor.principal.name, limit=AHEAD - len(first), without=[item] if item else [])
    return {"queue": queue, "items": [*first, *rest]}


@_site.get("/review/{pipeline}/{kind}/items", name="site.review.items")
@page("review/items.html", scope=Scope.REVIEW)
def next_fragments(
    conn: Connection,
    visitor: Visitor,
    pipeline: PipelineName,
    kind: Kind,
    *,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = AHEAD,
    without: _Ids = [],  # noqa: B006  (FastAPI copies it)
) -> dict[str, Any]:
    """Send the next items as parts of a page; ``without`` those that the page has already."""
    queue = queue_of(pipeline, kind)
    return {"queue": queue, "items": next_shown(conn, queue, visitor.principal.name, limit=limit, without=without)}


@_site.get("/review/{pipeline}/{kind}/items/{item}", name="site.review.item")
@page("review/items.html", scope=Scope.REVIEW)
def one_fragment(
    conn: Connection, visitor: Visitor, pipeline: PipelineName, kind: Kind, item: ItemId
) -> dict[str, Any]:  # fmt: skip
    """Send one item, decided on or not, as a part of a page."""
    queue = queue_of(pipeline, kind)
    return {"queue": queue, "items": [one_shown(conn, queue, item, visitor.principal.name)]}
