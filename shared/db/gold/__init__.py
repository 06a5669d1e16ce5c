"""SQL of gold's own tables (schema ``ml``), one module for each of them. Pipelines import from here, nowhere deeper."""

from shared.db.gold.conclusions import (
    Conclusion,
    Decided,
    GoldCounts,
    approve_drafts,
    counts,
    put_human,
    put_machine,
    replaceable,
)
from shared.db.gold.freezes import Freeze, approved_ids, find_freeze, hash_of, put_freeze
from shared.db.gold.judging import (
    FrozenSet,
    answered_at,
    find_dataset,
    find_model,
    latest_model,
    latest_smoke_job,
)
from shared.db.gold.offending import (
    AnswerRow,
    Negative,
    Offender,
    answers_of_job,
    approve_negatives,
    list_negatives,
    list_offenders,
    offending_answers,
    put_answers,
    put_negatives,
    put_offenders,
)
from shared.db.gold.queueing import (
    Waiting,
    count_waiting_examples,
    hold,
    keep_waiting,
    open_examples,
    waiting_examples,
)
from shared.db.gold.reviewing import (
    Answered,
    Said,
    answers_of,
    put_response,
    said_of,
    shown_example,
    take_back_response,
)
from shared.db.gold.snapshots import (
    Example,
    Reseeded,
    example_ids,
    examples,
    group_of,
    latest_examples,
    put_examples,
    snapshots_of,
)
from shared.db.tuned import TunedModel

__all__ = [
    "AnswerRow", "Answered", "Conclusion", "Decided", "Example", "Freeze", "FrozenSet", "GoldCounts", "Negative",
    "Offender", "Reseeded", "Said", "TunedModel", "Waiting", "answered_at", "answers_of", "answers_of_job",
    "approve_drafts", "approve_negatives", "approved_ids", "count_waiting_examples", "counts", "example_ids",
    "examples", "find_dataset", "find_freeze", "find_model", "group_of", "hash_of", "hold", "keep_waiting",
    "latest_examples", "latest_model", "latest_smoke_job", "list_negatives", "list_offenders", "offending_answers",
    "open_examples", "put_answers", "put_examples", "put_freeze", "put_human", "put_machine", "put_negatives",
    "put_offenders", "put_response", "replaceable", "said_of", "shown_example", "snapshots_of", "take_back_response",
    "waiting_examples",
]  # fmt: skip
