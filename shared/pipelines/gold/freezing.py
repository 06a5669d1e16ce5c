"""The seed's names for frozen sets (``train_v1``, ``eval_v1``): the step ``gold.name-freeze``.

Freezing itself is the loop's step ``gold.freeze``. A name is given after a check of every row: its id still derives
from its snapshot, the snapshot is still an example, and its texts still keep the rules.
"""

from collections.abc import Iterator
from typing import Final, Literal

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract
from shared.datasets import Dataset, open_dataset
from shared.db import gold
from shared.errors import RefusedError
from shared.pipeline import Done, Row, Run, SplitPolicy
from shared.pipelines.gold.contracts import evidence_entries, example_id, parse_snapshot
from shared.pipelines.gold.rules import check_texts
from shared.splits import split_of

Kind = Literal["train", "eval"]
SPLITS: Final[dict[Kind, Literal["train", "test"]]] = {"train": "train", "eval": "test"}

_EVERY: Final = 1_000  # rows between two reports


class NameFreezeParams(Contract):
    """The dataset to name."""

    kind: Kind = Field(description="`train`: its split train. `eval`: what people approved of its split test.")
    dataset_id: str = Field(description="The frozen dataset, by its id.")
    manifest: str = Field(pattern=r"^[0-9a-f]{64}$", description="The dataset's manifest (SHA-256).")


class NamedFreeze(Contract):
    """A frozen set and the proof of it.

    ``missing``: rows that are no examples; ``altered``: rows whose id does not derive from their snapshot;
    ``left_out``: approved examples of this split that it lacks. ``matched``: none of these.
    """

    name: str
    kind: Kind
    dataset_id: str
    rows: int
    human: int
    machine: int
    negatives: int
    ids_hash: str
    missing: int
    altered: int
    left_out: int
    matched: bool
    created: bool


def name_freeze(run: Run, params: NameFreezeParams) -> Done:
    """Check the rows of a frozen dataset and give it the next version of its kind, unless it has one.

    Raises RefusedError when a row breaks a rule, or when there is no row.
    """
    dataset = open_dataset(run.artifacts, params.manifest)
    found = _Found()
    for number, row in enumerate(_rows(dataset, params.kind), start=1):
        found.add(row)
        if number % _EVERY == 0:
            run.report(min(number / max(dataset.facts.rows, 1), 0.95), "checking rows", rows=number)
    if not found.ids:
        raise RefusedError(
            f"nothing to freeze for {params.kind}: no approved example falls into the split {SPLITS[params.kind]}",
            advice="approve drafts of more weeks (a machine's drafts are never in eval), then freeze again",
        )
    if found.broken:
        raise RefusedError(
            f"{len(found.broken):,} approved rows break a rule; the first is {found.broken[0]}",
            advice="correct them in drafts.json (export with everything) and import it again",
            ids=found.broken[:100],
        )
    with run.reading() as conn:
        missing = found.gold - gold.example_ids(conn)
        left_out = _expected(gold.approved_ids(conn, human=params.kind == "eval"), dataset, params.kind) - found.gold
    facts = {"missing": len(missing), "altered": found.altered, "left_out": len(left_out)}
    ids_hash = gold.hash_of(found.ids)

    def record(conn: Connection) -> NamedFreeze:
        freeze, created = gold.put_freeze(
            conn, kind=params.kind, dataset_id=params.dataset_id, split=SPLITS[params.kind], ids_hash=ids_hash,
            count=len(found.ids), job_id=run.job_id,
        )  # fmt: skip
        return _named(freeze.name, created)

    def _named(name: str, created: bool) -> NamedFreeze:
        return NamedFreeze(
            name=name, kind=params.kind, dataset_id=params.dataset_id, rows=len(found.ids), ids_hash=ids_hash,
            **found.origins, **facts, matched=not any(facts.values()), created=created,
        )  # fmt: skip

    return Done(result=_named("", created=False), record=record)


class _Found:
    """What the rows of a frozen set are."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.gold: set[str] = set()
        self.broken: list[str] = []
        self.altered = 0
        self.origins = {"human": 0, "machine": 0, "negatives": 0}

    def add(self, row: Row) -> None:
        """Take a row in. A negative's id derives from its offender, so it is no example's."""
        self.ids.append(row.id)
        if row.label["kind"] == "gold":
            self.gold.add(row.id)
            self.origins[row.label["origin"]] += 1
            self.altered += example_id(parse_snapshot(row.input)) != row.id
        else:
            self.origins["negatives"] += 1
        if check_texts(row.label) or not set(row.label["evidence"]) <= set(evidence_entries(row.input["signals"])):
            self.broken.append(row.id)


def _rows(dataset: Dataset, kind: Kind) -> Iterator[Row]:
    """Yield the rows of a set: in an eval set only what a person has said or, of a negative, approved."""
    for row in dataset.rows(SPLITS[kind]):
        if kind == "train" or row.label["origin"] == "human" or row.label["kind"] == "negative":
            yield row


def _expected(approved: dict[str, str], dataset: Dataset, kind: Kind) -> set[str]:
    policy = SplitPolicy(test_share=dataset.facts.test_share, seed=dataset.facts.seed)
    return {each for each, group in approved.items() if split_of(group, policy) == SPLITS[kind]}
