"""The path of seed 002 by which people take what they decided elsewhere: ``export-training-data``, streamed."""

from collections.abc import Callable, Iterator
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from psycopg import Connection
from starlette.responses import StreamingResponse

from api.deps import Front, FrontDep, Reviews
from api.wire import dumps
from shared.pipelines.dedup.exporting import ExportStats, Which, analysis, export_stats, training_lines

router = APIRouter(prefix="/api/admin/insights", tags=["dedup"])

_NDJSON: Final = "application/x-ndjson"
_JSON: Final = "application/json"


@router.get(
    "/export-training-data",
    summary="Export what people decided",
    response_class=StreamingResponse,
    responses={200: {"description": "JSON lines for a fine-tune, or JSON.", "content": {_NDJSON: {}, _JSON: {}}}},
)
def export_training_data(
    _who: Reviews,
    front: FrontDep,
    format_: Annotated[
        Literal["openai_jsonl", "json"],
        Query(alias="format", description="Conversations for a fine-tune, or pairs with all that is known of them."),
    ] = "openai_jsonl",
    stats: Annotated[
        bool, Query(description="Figures too: within the JSON, or as the header `Tuneyard-Stats`.")
    ] = False,
    split: Annotated[
        Which | None, Query(description="`train` alone for a fine-tune, and `all` for analysis, unless said otherwise.")
    ] = None,
) -> StreamingResponse:
    """Stream the labelled pairs, with personal data replaced. Contradicting decisions block it.

    Fewer than recommended of either label is told in the header `Tuneyard-Warning`. Raises as ``require_labels``.
    """
    told = front.database.read(export_stats)
    headers = {"Tuneyard-Warning": "; ".join(told.warnings)} if told.warnings else {}
    if format_ == "json":
        write = _analysis(split or "all", told if stats else None)
        return StreamingResponse(_streamed(front, write), media_type=_JSON, headers=headers)
    if stats:
        headers["Tuneyard-Stats"] = dumps(told.model_dump(mode="json")).decode("ascii")
    held_out = told.splits["test"]
    headers["Tuneyard-Held-Out"] = str(held_out.positive + held_out.negative if split in (None, "train") else 0)
    chosen: Which = split or "train"
    return StreamingResponse(
        _streamed(front, lambda conn: training_lines(conn, chosen)), media_type=_NDJSON, headers=headers
    )


def _analysis(which: Which, stats: ExportStats | None) -> Callable[[Connection], Iterator[bytes]]:
    return lambda conn: analysis(conn, which, stats)


def _streamed(front: Front, write: Callable[[Connection], Iterator[bytes]]) -> Iterator[bytes]:
    with front.database.reading() as conn:
        yield from write(conn)
