"""SQL of the stages' own table, ``stage_rows``. Pipelines import from here, nowhere deeper."""

from shared.db.stages.answering import Answerer, answerers
from shared.db.stages.exporting import Chosen, estimate, lines, repeated
from shared.db.stages.importing import Merged, StagedRow, drop_import, merge_import, stage_import, staged_rows
from shared.db.stages.judging import (
    ApprovedRow,
    find_model,
    groups_of,
    inputs_of_groups,
    latest_evals,
    latest_of_groups,
    whole_groups,
)
from shared.db.stages.reviewing import (
    AskedRow,
    asked_row,
    count_rows_to_review,
    decide_reviewed,
    open_rows,
    rows_to_review,
    take_back_review,
)
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
from shared.db.stages.shipping import ShippedRow, fresh, left_out, shipped_rows, waiting_industries
from shared.db.tuned import TunedModel

__all__ = [
    "Answerer", "ApprovedRow", "AskedRow", "Chosen", "Decision", "Merged", "NewRow", "ShippedRow", "StageCounts",
    "StageRow", "StagedRow", "TunedModel", "answerers", "approved_ids", "approved_since", "asked_row",
    "count_rows_to_review", "counts", "decide", "decide_reviewed", "drop_import", "estimate", "find_model", "fresh",
    "groups_of", "inputs_of_groups", "latest_evals", "latest_of_groups", "left_out", "lines", "merge_import",
    "open_rows", "put_rows", "repeated", "rows_of", "rows_to_review", "shipped_rows", "stage_import", "staged_rows",
    "take_back_review", "waiting_industries", "waiting_rows", "whole_groups",
]  # fmt: skip
