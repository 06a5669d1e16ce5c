"""Two frozen datasets compared, example by example: both are streamed, so the memory does not grow."""

from collections import Counter
from collections.abc import Iterator
from typing import Final, Literal

import orjson
from pydantic import Field

from shared.contracts import Contract, JsonObject
from shared.datasets import Dataset

_COMPARED: Final = ("group", "input", "label", "at", "split")


class Difference(Contract):
    """One example that differs. Its input is not shown: it may hold personal data."""

    id: str
    change: Literal["added", "removed", "changed"]
    fields: tuple[str, ...] = Field(default=(), description="Which fields changed.")
    before: JsonObject | None = Field(default=None, description="Label, time and split in the first dataset.")
    after: JsonObject | None = Field(default=None, description="The same in the second.")


class DatasetDiff(Contract):
    """Two datasets compared, example by example. The counts are of all differences, whatever is listed."""

    before: str
    after: str
    added: int
    removed: int
    changed: int
    relabelled: int = Field(description="Those of the changed that have another label.")
    moved: int = Field(description="Those of the changed that are in another split.")
    unchanged: int
    items: tuple[Difference, ...] = Field(description="The first differences, in the order of the examples' ids.")
    truncated: bool = Field(description="Whether there are more differences than items.")
    next_cursor: str | None = Field(default=None, description="Where the next page begins; null: this is the last.")


Change = Literal["added", "removed", "changed", "label", "split"]
"""Which differences are listed: ``label`` and ``split`` are the changed ones with another label or split."""


def compare(
    before: Dataset, after: Dataset, limit: int = 100, *, behind: str = "", change: Change | None = None
) -> DatasetDiff:
    """Count all differences between two datasets, and list the first ``limit`` of them.

    ``behind``: only of examples behind this id; ``change``: only those of one kind.
    """
    counts: Counter[str] = Counter()
    items: list[Difference] = []
    for difference in diff(before, after):
        counts.update((difference.change, *difference.fields))
        wanted = change is None or change == difference.change or change in difference.fields
        if wanted and difference.id > behind and len(items) <= limit:
            items.append(difference)
    truncated, items = len(items) > limit, items[:limit]
    return DatasetDiff(
        before=before.id,
        after=after.id,
        added=counts["added"],
        removed=counts["removed"],
        changed=counts["changed"],
        relabelled=counts["label"],
        moved=counts["split"],
        unchanged=before.facts.rows - counts["removed"] - counts["changed"],
        items=tuple(items),
        truncated=truncated,
        next_cursor=items[-1].id if truncated and items else None,
    )


def diff(before: Dataset, after: Dataset) -> Iterator[Difference]:
    """Walk through both datasets at once and yield what differs, in the order of the ids."""
    with before.store.open(before.file) as old_lines, after.store.open(after.file) as new_lines:
        old, new = old_lines.readline(), new_lines.readline()
        while old or new:
            if old == new:  # nearly always, and then nothing is parsed
                old, new = old_lines.readline(), new_lines.readline()
                continue
            difference = _difference(_parsed(old), _parsed(new))
            yield difference
            old = old if difference.change == "added" else old_lines.readline()
            new = new if difference.change == "removed" else new_lines.readline()


def _parsed(line: bytes) -> JsonObject | None:
    return orjson.loads(line) if line else None


def _difference(old: JsonObject | None, new: JsonObject | None) -> Difference:
    """Say how the next two examples differ; the one with the smaller id comes first."""
    if new is not None and (old is None or new["id"] < old["id"]):
        return Difference(id=new["id"], change="added", after=_shown(new))
    if old is None:
        raise ValueError("there is nothing to compare")
    if new is None or old["id"] < new["id"]:
        return Difference(id=old["id"], change="removed", before=_shown(old))
    fields = tuple(name for name in _COMPARED if old[name] != new[name])
    return Difference(id=old["id"], change="changed", fields=fields, before=_shown(old), after=_shown(new))


def _shown(example: JsonObject) -> JsonObject:
    return {name: example[name] for name in ("label", "at", "split")}
