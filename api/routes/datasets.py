"""Datasets: what was frozen, and how two of them differ."""

from typing import Annotated

from fastapi import APIRouter, Query
from psycopg import Connection

from api.deps import FrontDep, Reader
from api.paging import Cursor, DatasetId, Limit, PipelineFilter, SurfaceFilter
from api.transaction import reading
from api.views import DatasetView, Page, page
from shared.dataset_diff import Change, DatasetDiff, compare
from shared.datasets import open_dataset
from shared.db import datasets

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])


@router.get("", summary="List datasets")
@reading
def list_datasets(
    conn: Connection,
    *,
    _who: Reader,
    pipeline: PipelineFilter = None,
    surface: SurfaceFilter = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[DatasetView]:
    """Show datasets, newest first."""
    found = datasets.list_datasets(conn, pipeline=pipeline, surface=surface, before=cursor, limit=limit + 1)
    return page(DatasetView.model_validate, found, limit)


@router.get("/{dataset_id}", summary="Show a dataset")
@reading
def show_dataset(conn: Connection, dataset_id: DatasetId, _who: Reader) -> DatasetView:
    """Show a dataset: its rows, its splits, its artifact."""
    return DatasetView.model_validate(datasets.get(conn, dataset_id))


@router.get("/{dataset_id}/diff/{other_id}", summary="Compare two datasets")
def diff_datasets(
    *,
    dataset_id: DatasetId,
    other_id: DatasetId,
    _who: Reader,
    front: FrontDep,
    change: Annotated[Change | None, Query(description="List only these; `label`, `split`: changed in it.")] = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=0, le=10_000, description="How many differences are listed at most.")] = 100,
) -> DatasetDiff:
    """Say which examples the second dataset adds, lacks or changes. Both are streamed: the memory does not grow.

    The counts are of all differences, whatever is listed.
    """
    with front.database.reading() as conn:
        manifests = [datasets.get(conn, identifier).manifest for identifier in (dataset_id, other_id)]
    before, after = (open_dataset(front.artifacts, manifest) for manifest in manifests)
    return compare(before, after, limit, behind=cursor or "", change=change)
