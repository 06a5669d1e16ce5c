"""SQL of the stages' own table, ``stage_rows``. Pipelines import from here, nowhere deeper."""

from shared.db.stages.answering import Answerer, answerers
from shared.db.stages.exporting import Chosen, estimate, lines
from shared.db.stages.importing import Merged, StagedRow, drop_import, merge_import, stage_import, staged_rows
from shared.db.stages.rows import (
    Decision,
    NewRow,
    StageCounts,
    StageRow,
    approved_ids,
    approved_since,
    counts,
    decide,
    put_rows,
    rows_of,
    waiting_rows,
)

__all__ = [
    "Answerer", "Chosen", "Decision", "Merged", "NewRow", "StageCounts", "StageRow", "StagedRow", "answerers",
    "approved_ids", "approved_since", "counts", "decide", "drop_import", "estimate", "lines", "merge_import",
    "put_rows", "rows_of", "stage_import", "staged_rows", "waiting_rows",
]  # fmt: skip
