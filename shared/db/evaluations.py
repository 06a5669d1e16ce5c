"""SQL of the table ``evaluations``: how a model did on a dataset's held-out rows, against which, and the verdicts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject, Outcome, Verdict
from shared.errors import NotFoundError


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One row of ``evaluations``. ``active_id`` is the model it was compared with, None if none was active.

    ``metrics`` has an entry for each window: ``{"rows": n, "candidate": {...}, "active": {...} | null}``.
    """

    id: str
    model_id: str
    active_id: str | None
    dataset_id: str
    job_id: str | None
    metrics: JsonObject
    verdicts: tuple[Verdict, ...]
    report: str
    created_at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "verdicts", tuple(Verdict.model_validate(v) for v in self.verdicts))

    @property
    def passed(self) -> bool:
        """Whether every gate let the model pass, and there was at least one."""
        return bool(self.verdicts) and all(v.outcome is Outcome.PASS for v in self.verdicts)


_SELECT: Final[LiteralString] = (
    "SELECT id, model_id, active_id, dataset_id, job_id, metrics, verdicts, report, created_at FROM evaluations "
)

_INSERT: Final = """
INSERT INTO evaluations (id, model_id, active_id, dataset_id, job_id, metrics, verdicts, report)
VALUES (%(id)s, %(model_id)s, %(active_id)s, %(dataset_id)s, %(job_id)s, %(metrics)s, %(verdicts)s, %(report)s)
"""


def insert(
    conn: Connection,
    *,
    evaluation_id: str,
    model_id: str,
    active_id: str | None,
    dataset_id: str,
    job_id: str | None,
    metrics: JsonObject,
    verdicts: tuple[Verdict, ...],
    report: str,
) -> None:
    """Record an evaluation; ``report`` is the hash of the report's artifact."""
    values = {
        "id": evaluation_id, "model_id": model_id, "active_id": active_id, "dataset_id": dataset_id,
        "job_id": job_id, "metrics": Jsonb(metrics), "verdicts": Jsonb([v.model_dump(mode="json") for v in verdicts]),
        "report": report,
    }  # fmt: skip
    conn.execute(_INSERT, values)


def get(conn: Connection, evaluation_id: str) -> Evaluation:
    """Return one evaluation. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(Evaluation)) as cursor:
        row = cursor.execute(_SELECT + "WHERE id = %s", [evaluation_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no evaluation {evaluation_id}")
    return row


def of_model(conn: Connection, model_id: str, *, before: str | None = None, limit: int = 50) -> list[Evaluation]:
    """Return a model's evaluations, the latest first; ``before`` is the id of the last one on the page before."""
    with conn.cursor(row_factory=class_row(Evaluation)) as cursor:
        return cursor.execute(
            _SELECT + "WHERE model_id = %(model)s AND (%(before)s::text IS NULL OR id < %(before)s)"
            " ORDER BY id DESC LIMIT %(limit)s",
            {"model": model_id, "before": before, "limit": limit},
        ).fetchall()
