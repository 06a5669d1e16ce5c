"""Frozen datasets as artifacts: one file of JSON lines in the order of their ids, read as a stream or searched.

Nothing here holds a dataset in memory: rows are read one by one, one example is found by binary search, and two
datasets are compared by walking through both at once.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import orjson
from pydantic import Field

from shared.artifacts import ArtifactStore, FileRef, Manifest
from shared.contracts import Contract, JsonObject, Split
from shared.errors import CorruptError
from shared.ids import DATASET, content_id
from shared.pipeline import Row, SplitPolicy

KIND: Final = "dataset"
ROWS_FILE: Final = "rows.jsonl"

_WINDOW = 64 * 1024  # bytes that a search reads at once: some hundred rows
_COMPARED = ("group", "input", "label", "at", "split")


class DatasetFacts(Contract):
    """What a dataset's manifest says about it."""

    pipeline: str
    surface: str
    seed: int
    test_share: float
    rows: int
    splits: dict[str, int]


def dataset_id(pipeline: str, surface: str, policy: SplitPolicy, rows_sha256: str) -> str:
    """Derive a dataset's id: the same rows (sorted by id), seed and share give the same id on any machine."""
    return content_id(DATASET, pipeline, surface, str(policy.seed), repr(float(policy.test_share)), rows_sha256)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A frozen dataset in a store. Nothing of its rows is in memory."""

    store: ArtifactStore
    file: FileRef
    facts: DatasetFacts

    @property
    def id(self) -> str:
        """The id, derived from what the dataset holds."""
        facts = self.facts
        policy = SplitPolicy(test_share=facts.test_share, seed=facts.seed)
        return dataset_id(facts.pipeline, facts.surface, policy, self.file.sha256)

    def rows(self, split: Split | None = None) -> Iterator[Row]:
        """Read all rows, or those of one split, in the order of their ids. Raises CorruptError at a damaged file."""
        # Text inside a line has its quotes escaped, so only the line's own last field can end like this.
        ending = b'"split":"%s"}\n' % split.encode() if split else b"}\n"
        with self.store.open(self.file) as lines:
            for line in lines:
                if line.endswith(ending):
                    yield _row(line)

    def find(self, example_id: str) -> Row | None:
        """Return one example, or None; some twenty short reads, however large the dataset."""
        line = _search(self.store, self.file, example_id)
        return None if line is None else _row(line)

    def contains(self, example_id: str) -> bool:
        """Return whether an example is in the dataset."""
        return self.find(example_id) is not None


def open_dataset(store: ArtifactStore, manifest: str) -> Dataset:
    """Open the dataset whose manifest has this hash. Raises NotFoundError, or CorruptError when it is no dataset."""
    found = store.manifest(manifest)
    if found.kind != KIND or ROWS_FILE not in found.files:
        raise CorruptError(f"the artifact {manifest} is not a dataset")
    return Dataset(store=store, file=found.files[ROWS_FILE], facts=DatasetFacts.model_validate(found.facts))


def publish_dataset(store: ArtifactStore, file: FileRef, facts: DatasetFacts) -> str:
    """Write the manifest of a dataset whose rows are stored; return its hash."""
    return store.publish(Manifest(kind=KIND, files={ROWS_FILE: file}, facts=facts.model_dump(mode="json")))


def _row(line: bytes) -> Row:
    value = orjson.loads(line)
    value["at"] = datetime.fromisoformat(value["at"])
    return Row(**value)


# --- searching ------------------------------------------------------------------------------------------------------


def _search(store: ArtifactStore, file: FileRef, example_id: str) -> bytes | None:
    """Return the line of an example: halve the file until a window is left, then look through that."""
    low, high = 0, file.size  # the line, if there is one, begins in [low, high)
    while high - low > _WINDOW:
        middle = (low + high) // 2
        start, line = next(_lines_from(store, file, middle), (high, b""))
        if start >= high or example_id < _id_of(line):
            high = middle
        else:
            low = start
    for _, line in _lines_from(store, file, low):
        found = _id_of(line)
        if found >= example_id:
            return line if found == example_id else None
    return None


def _lines_from(store: ArtifactStore, file: FileRef, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that begin at or after a byte of the file, each with its place, reading as far as is asked."""
    place = position = max(start - 1, 0)  # the byte before it tells whether a line begins at `start`
    inside = start > 0
    rest = b""
    while position < file.size:
        data = store.read_range(file, position, _WINDOW)
        if not data:
            raise CorruptError(f"the artifact file {file.sha256} is shorter than its manifest says")
        position += len(data)
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if not inside:
                yield place, line
            inside = False
            place += len(line) + 1


def _id_of(line: bytes) -> str:
    # code points sort as their UTF-8 bytes do, and so as COLLATE "C" does
    found: str = orjson.loads(line)["id"]
    return found


# --- comparing ------------------------------------------------------------------------------------------------------


class Difference(Contract):
    """One example that differs. Its input is not shown: it may hold personal data."""

    id: str
    change: Literal["added", "removed", "changed"]
    fields: tuple[str, ...] = Field(default=(), description="Which fields changed.")
    before: JsonObject | None = Field(default=None, description="Label, time and split in the first dataset.")
    after: JsonObject | None = Field(default=None, description="The same in the second.")


class DatasetDiff(Contract):
    """Two datasets compared, example by example."""

    before: str
    after: str
    added: int
    removed: int
    changed: int
    unchanged: int
    items: tuple[Difference, ...] = Field(description="The first differences, in the order of the examples' ids.")
    truncated: bool = Field(description="Whether there are more differences than items.")


def compare(before: Dataset, after: Dataset, limit: int = 100) -> DatasetDiff:
    """Count all differences between two datasets, and list the first ``limit`` of them."""
    counts: Counter[str] = Counter()
    items: list[Difference] = []
    for difference in diff(before, after):
        counts[difference.change] += 1
        if len(items) < limit:
            items.append(difference)
    return DatasetDiff(
        before=before.id,
        after=after.id,
        added=counts["added"],
        removed=counts["removed"],
        changed=counts["changed"],
        unchanged=before.facts.rows - counts["removed"] - counts["changed"],
        items=tuple(items),
        truncated=counts.total() > len(items),
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
