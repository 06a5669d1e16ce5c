"""Rows to train on, and models trained on them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from shared.pipeline import Loaded, Row
from shared.pipelines.router import PIPELINE, sample
from shared.pipelines.router import train as training
from shared.pipelines.router.contracts import Label, Prediction, example_id, group_of
from shared.splits import split_of

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def row(query: str, label: Label, *, at: datetime = NOW, split: str | None = None) -> Row:
    group = group_of(query)
    return Row(
        id=example_id(query, label),
        group=group,
        split=split or split_of(group, PIPELINE.split),
        input=query,
        label=label,
        at=at,
    )


def sample_rows(count: int, seed: int = 7) -> list[Row]:
    """Sample rows as a dataset has them: in the order of their ids."""
    rows = [row(r.query, r.label, at=r.labelled_at) for r in sample.make(rows=count, seed=seed, now=NOW)]
    return sorted(rows, key=lambda r: r.id)


def split(rows: Iterable[Row], name: str) -> list[Row]:
    return [r for r in rows if r.split == name]


def quiet(_fraction: float, _message: str) -> None:
    """Take a report of progress and say nothing."""


def train(rows: Iterable[Row], folder: Path) -> Loaded[str, Prediction]:
    folder.mkdir(parents=True, exist_ok=True)
    training.train(rows, folder, quiet)
    return PIPELINE.load(folder)
