"""Frozen datasets as artifacts: one file of JSON lines in the order of their ids, read as a stream or searched.

Nothing here holds a dataset in memory: rows are read one by one, one example is found by binary search, and two
datasets are compared by walking through both at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from shared.artifacts import ArtifactStore, FileRef, Manifest
from shared.contracts import Contract, Split
from shared.errors import CorruptError
from shared.ids import DATASET, content_id
from shared.pipeline import Row, SplitPolicy

KIND: Final = "dataset"
ROWS_FILE: Final = "rows.jsonl"

_WINDOW = 64 * 1024  # bytes that a search reads at once: some hundred rows


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

    def rows_from(self, example_id: str = "") -> Iterator[Row]:
        """Read the rows from an example on (that itself, if it is there), as far as they are asked for.

        Only those bytes are read, so they are not verified; ``rows`` verifies.
        """
        begin = _near(self.store, self.file, example_id) if example_id else 0
        for _, line in _lines_from(self.store, self.file, begin):
            if line and _id_of(line) >= example_id:
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
    for _, line in _lines_from(store, file, _near(store, file, example_id)):
        found = _id_of(line)
        if found >= example_id:
            return line if found == example_id else None
    return None


def _near(store: ArtifactStore, file: FileRef, example_id: str) -> int:
    """Return the place of a line that is a window at most before that of an example, or before where it would be."""
    low, high = 0, file.size  # the line, if there is one, begins in [low, high)
    while high - low > _WINDOW:
        middle = (low + high) // 2
        start, line = next(_lines_from(store, file, middle), (high, b""))
        if start >= high or example_id < _id_of(line):
            high = middle
        else:
            low = start
    return low


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
