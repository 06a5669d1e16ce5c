"""Lineage: where a thing came from, and what it led to."""

from fastapi import APIRouter
from psycopg import Connection

from api.deps import FrontDep, Reader
from api.paging import AnyId
from api.transaction import reading
from shared.lineage import LineageNode, lineage

router = APIRouter(prefix="/v1/lineage", tags=["lineage"])


@router.get("/{thing_id}", summary="Trace a thing")
@reading
def show_lineage(conn: Connection, thing_id: AnyId, _who: Reader, front: FrontDep) -> LineageNode:
    """Walk prediction → model → promotion → job → dataset → examples → who labelled them, and back down."""
    return lineage(conn, front.artifacts, thing_id)
