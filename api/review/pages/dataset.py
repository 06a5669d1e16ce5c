"""One frozen dataset: what is in it, how it is split, which models learned from it, and who labelled it.

The rows are read from the artifact as far as one page needs them; shares and distributions are of a sample, for ids are
hashes: the first rows are as good as any. Texts and names are for those who review; others see labels and splits.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Query
from markupsafe import Markup
from psycopg import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.deps import FrontDep
from api.paging import DatasetId
from api.review import charts
from api.review.charts import distributions
from api.review.render import render
from api.review.route import Visitor, site_router
from api.review.views.facets import facets
from api.review.views.readable import Readable, readable
from shared.contracts import Scope, Split
from shared.datasets import Dataset, open_dataset
from shared.db import datasets, lineage, models
from shared.db.datasets import DatasetRecord
from shared.db.lineage import Origin
from shared.db.models import Model
from shared.pipeline import FineTune, Row
from shared.registry import pipelines

_site = site_router()
ROUTERS: Final = (_site,)

_PAGE: Final = 25
_SAMPLE: Final = 4000
_SAMPLE_BYTES: Final = 4 * 1024 * 1024
_FEWEST: Final = 100
_SEARCHED: Final = 20_000  # rows that one page looks through for a split
_NAMED: Final = 1000  # examples of the sample whose people are asked for
_MODELS: Final = 20
_GROUPS: Final = 5
_SPLITS: Final = ("train", "test")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A row for people. ``input`` is None for those who may not read it."""

    row: Row
    input: Readable | None
    label: Readable
    origin: Origin | None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a dataset's first rows say about all of them."""

    rows: int
    whole: bool
    ids: Sequence[str]
    charts: Sequence[Markup]
    groups: int
    largest: Sequence[tuple[str, int]]


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What the database says about a dataset."""

    record: DatasetRecord
    before: DatasetRecord | None
    models: Sequence[Model]


@_site.get("/datasets/{dataset_id}", name="site.dataset")
def show_dataset(
    request: Request,
    front: FrontDep,
    visitor: Visitor,
    dataset_id: DatasetId,
    *,
    split: Split | None = None,
    at: Annotated[str, Query(pattern=r"^([a-z]{1,10}_[0-9a-f]{32})?$")] = "",
) -> Response:
    """Show a dataset, with a page of its rows from the example ``at`` on."""
    with front.database.reading() as conn:
        known = _known(conn, dataset_id)
    dataset = open_dataset(front.artifacts, known.record.manifest)
    sample = _sample(dataset)
    rows, following = _page(dataset, at, split)
    reads = visitor.principal.may(Scope.REVIEW)
    with front.database.reading() as conn:
        origins = lineage.origins(conn, [row.id for row in rows]) if reads else {}
        people = _people(lineage.origins(conn, sample.ids[:_NAMED])) if reads else []
    more = {"split": split or "", "at": following or ""}
    data: Mapping[str, Any] = {
        "dataset": known.record, "before": known.before, "models": known.models, "sample": sample, "splits": _SPLITS,
        "test_share": dataset.facts.test_share, "train": _train(known.record), "reads": reads, "people": people,
        "named": min(sample.rows, _NAMED), "split": split, "at": at,
        "rows": [_shown(row, origins.get(row.id), reads=reads) for row in rows],
        "more": f"?{urlencode({k: v for k, v in more.items() if v})}#rows" if following else None,
    }  # fmt: skip
    return render(request, "dataset.html", data)


def _train(record: DatasetRecord) -> str | None:
    """Return the command that trains a model on such a dataset."""
    pipeline = pipelines().get(record.pipeline)
    if pipeline is None:  # a training file: its model is made already
        return None
    step = "finetune --live" if isinstance(pipeline.train, FineTune) else "train"
    return f"tuneyard {pipeline.name} {step}"


def _known(conn: Connection, dataset_id: str) -> _Known:
    record = datasets.get(conn, dataset_id)
    before = datasets.list_datasets(conn, pipeline=record.pipeline, surface=record.surface, before=record.id, limit=1)
    trained = models.list_models(conn, dataset_id=record.id, limit=_MODELS)
    return _Known(record=record, before=before[0] if before else None, models=trained)


def _page(dataset: Dataset, at: str, split: Split | None) -> tuple[list[Row], str | None]:
    """Return a page of rows, and the id of the example with which the next one begins."""
    rows: list[Row] = []
    for number, row in enumerate(dataset.rows_from(at)):
        if len(rows) == _PAGE or number == _SEARCHED:
            return rows, row.id
        if split is None or row.split == split:
            rows.append(row)
    return rows, None


def _sample(dataset: Dataset) -> Sample:
    affordable = _SAMPLE_BYTES * dataset.facts.rows // max(dataset.file.size, 1)
    rows = list(islice(dataset.rows_from(), min(max(affordable, _FEWEST), _SAMPLE)))
    groups = Counter(row.group for row in rows)
    return Sample(
        rows=len(rows),
        whole=len(rows) == dataset.facts.rows,
        ids=[row.id for row in rows[:_NAMED]],
        charts=_label_charts(rows, [name for name in _SPLITS if dataset.facts.splits.get(name)]),
        groups=len(groups),
        largest=groups.most_common(_GROUPS),
    )


def _label_charts(rows: Sequence[Row], splits: Sequence[str]) -> list[Markup]:
    labels: Iterator[tuple[str, Any]] = ((row.split, row.label) for row in rows)
    made = []
    for facet in facets(labels):
        if facet.numbers:
            made.append(distributions.of_numbers(facet.title, facet.numbers))
        else:
            names = facet.values()
            shares = {split: distributions.shares(facet.words.get(split, Counter()), names) for split in splits}
            made.append(charts.bars(f"{facet.title}: share of each split", names, shares, percent=True))
    return made


def _people(origins: Mapping[str, Origin]) -> list[tuple[str, str, int]]:
    """Return who labelled how, and how many, the busiest first. An example of several people names all of them."""
    counted = Counter(
        (person, origin.source) for origin in origins.values() for person in origin.labelled_by.split(", ")
    )
    return [(person, source, count) for (person, source), count in counted.most_common()]


def _shown(row: Row, origin: Origin | None, *, reads: bool) -> Shown:
    return Shown(row=row, input=readable(row.input) if reads else None, label=readable(row.label), origin=origin)
