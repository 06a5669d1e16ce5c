"""What people decided, as files for training and for analysis: streamed, with personal data replaced.

A pair's split follows its component of decided pairs, so no two pairs that hang together are in two splits. Lines for
a provider are those of the split ``train`` alone: what is held out is never uploaded, unless somebody asks for it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from psycopg import Connection

from shared.contracts import Contract, JsonObject
from shared.db import dedup
from shared.ids import canonical_json
from shared.llm.pseudonyms import pseudonymised
from shared.pipeline import SplitPolicy
from shared.pipelines.dedup.pair import label_of, parse_pair
from shared.pipelines.dedup.policy import policy
from shared.pipelines.dedup.prompt import MERGE, line
from shared.pipelines.dedup.training import require_labels, warnings_of
from shared.splits import split_of

Which = Literal["train", "test", "all"]

_BLOCK: Final = 64 << 10


class SplitStats(Contract):
    """The labelled pairs of a split."""

    positive: int = 0
    negative: int = 0
    components: int = 0


class ExportStats(Contract):
    """What there is to train on: pairs, and the clusters that they come from. ``warnings`` are sentences."""

    positive: int
    negative: int
    approved_merges: int
    rejected_clusters: int
    partial_merges: int
    positive_clusters: int
    negative_clusters: int
    components: int
    splits: dict[str, SplitStats]
    warnings: tuple[str, ...]


def export_stats(conn: Connection) -> ExportStats:
    """Return what there is to train on. Raises as ``require_labels``."""
    counts = require_labels(conn)
    return ExportStats(
        positive=counts.merge,
        negative=counts.separate,
        approved_merges=counts.approved,
        rejected_clusters=counts.rejected,
        partial_merges=counts.partial,
        positive_clusters=counts.merge_clusters,
        negative_clusters=counts.separate_clusters,
        components=counts.components,
        splits=_splits(dedup.label_groups(conn)),
        warnings=tuple(warnings_of(counts)),
    )


def _splits(groups: Sequence[tuple[str, str, int]]) -> dict[str, SplitStats]:
    found = {name: {"positive": 0, "negative": 0} for name in ("train", "test")}
    components: dict[str, set[str]] = {name: set() for name in found}
    for group, label, count in groups:
        split = split_of(group, _split())
        found[split]["positive" if label == MERGE else "negative"] += count
        components[split].add(group)
    return {name: SplitStats(**figures, components=len(components[name])) for name, figures in found.items()}


def training_lines(conn: Connection, which: Which) -> Iterator[bytes]:
    """Stream the conversations of a split as JSON lines, in blocks; those of ``train`` are what a fine-tune uploads."""
    return _blocks(
        canonical_json(line(pair.a, pair.b, label_of(row.label))) + b"\n"
        for row, pair in ((row, parse_pair(row.input)) for row in dedup.labelled_pairs(conn))
        if which in ("all", split_of(row.group, _split()))
    )


def analysis(conn: Connection, which: Which, stats: ExportStats | None) -> Iterator[bytes]:
    """Stream the pairs as one JSON object, in blocks: ``examples``, and ``stats`` if they are given."""
    return _blocks(_analysis(conn, which, stats))


def _analysis(conn: Connection, which: Which, stats: ExportStats | None) -> Iterator[bytes]:
    yield b"{"
    if stats:
        yield b'"stats":' + canonical_json(stats.model_dump(mode="json")) + b","
    yield b'"examples":['
    begun = False
    for row in dedup.labelled_pairs(conn):
        split = split_of(row.group, _split())
        if which in ("all", split):
            yield (b",\n" if begun else b"\n") + canonical_json(_shown(row, split))
            begun = True
    yield b"\n]}\n"


def _shown(row: dedup.LabelledPair, split: str) -> JsonObject:
    one, two = pseudonymised(row.input["a"], row.input["b"])
    return {
        "id": row.id,
        "insight1Id": row.a_id,
        "insight2Id": row.b_id,
        "insight1": one,
        "insight2": two,
        "similarity": row.input["similarity"],
        "label": row.label,
        "split": split,
        "component": row.group,
        "clusterId": row.cluster_id,
        "decidedAt": row.at.isoformat(),
    }


def _split() -> SplitPolicy:
    return SplitPolicy(test_share=policy().test_share, seed=policy().seed)


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= _BLOCK:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)
