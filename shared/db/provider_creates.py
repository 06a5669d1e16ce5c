"""SQL by which a run comes to its job at the provider, once: every step is committed before what it announces.

Each function returns the row as it is now, or None when the run was not in the state that it must be in.
"""

from datetime import timedelta
from typing import Final, LiteralString

from psycopg import Connection

from shared.db.provider_jobs import COLUMNS, ProviderJob, one


def reserved(conn: Connection, run_id: str) -> ProviderJob | None:
    """Note that the cost is reserved: what follows is the upload."""
    return one(
        conn,
        "UPDATE provider_jobs SET state = 'upload' WHERE id = %s AND state = 'preflight' AND NOT cancel_requested"
        " RETURNING " + COLUMNS,
        [run_id],
    )


def uploaded(conn: Connection, run_id: str, file_id: str) -> ProviderJob | None:
    """Note the file that was uploaded for this run."""
    return one(
        conn,
        "UPDATE provider_jobs SET file_id = %s WHERE id = %s AND state = 'upload' RETURNING " + COLUMNS,
        [file_id, run_id],
    )


def creating(conn: Connection, run_id: str) -> ProviderJob | None:
    """Note that a create is about to be sent. Committed before it is: whoever finds this state must suspect it was."""
    return one(
        conn,
        "UPDATE provider_jobs SET state = 'creating', creates = creates + 1, creating_since = clock_timestamp(),"
        " empty_lists = 0 WHERE id = %s AND state = 'upload' AND NOT cancel_requested RETURNING " + COLUMNS,
        [run_id],
    )


def not_created(conn: Connection, run_id: str) -> ProviderJob | None:
    """Note that the create was certainly not accepted, so that it may be sent again."""
    return one(
        conn,
        "UPDATE provider_jobs SET state = 'upload', creates = creates - 1 WHERE id = %s AND state = 'creating'"
        " RETURNING " + COLUMNS,
        [run_id],
    )


def create_unknown(conn: Connection, run_id: str) -> ProviderJob | None:
    """Note that nobody knows whether the create was accepted."""
    return one(
        conn,
        "UPDATE provider_jobs SET state = 'create_unknown' WHERE id = %s AND state = 'creating' RETURNING " + COLUMNS,
        [run_id],
    )


_EMPTY_LIST: Final[LiteralString] = (
    """
UPDATE provider_jobs SET
    empty_lists = empty_lists + 1,
    state = CASE WHEN empty_lists + 1 >= %(lists)s AND creating_since < clock_timestamp() - %(settle)s
        AND creates < %(creates)s AND parked_at IS NULL THEN 'upload' ELSE state END,
    parked_at = CASE WHEN empty_lists + 1 >= %(lists)s AND creating_since < clock_timestamp() - %(settle)s
        AND creates >= %(creates)s THEN coalesce(parked_at, now()) ELSE parked_at END
WHERE id = %(id)s AND state = 'create_unknown' AND NOT cancel_requested RETURNING """
    + COLUMNS
)


def empty_list(conn: Connection, run_id: str, *, lists: int, settle: timedelta, creates: int) -> ProviderJob | None:
    """Count a list that did not show the job of an unclear create.

    After ``lists`` of them and the time ``settle`` a create may be sent again, or, after ``creates`` of those, the run
    is parked for a person.
    """
    return one(conn, _EMPTY_LIST, {"id": run_id, "lists": lists, "settle": settle, "creates": creates})


def park(conn: Connection, run_id: str, *, after: timedelta) -> ProviderJob | None:
    """Let a person decide about a create that is unclear since ``after`` or longer. None: it is not, or not so long."""
    return one(
        conn,
        "UPDATE provider_jobs SET parked_at = coalesce(parked_at, now()) WHERE id = %s AND state = 'create_unknown'"
        " AND creating_since < now() - %s RETURNING " + COLUMNS,
        [run_id, after],
    )


def adopt(conn: Connection, run_id: str, provider_job_id: str) -> ProviderJob | None:
    """Note the provider's job of a run, whether it was just created or found."""
    return one(
        conn,
        "UPDATE provider_jobs SET state = 'polling', provider_job_id = %s, parked_at = NULL, creates = greatest("
        "creates, 1) WHERE id = %s AND state IN ('upload', 'creating', 'create_unknown') RETURNING " + COLUMNS,
        [provider_job_id, run_id],
    )


def allow_create(conn: Connection, run_id: str) -> ProviderJob | None:
    """Let an unclear create be sent again: a person has made sure that it was not accepted."""
    return one(
        conn,
        "UPDATE provider_jobs SET state = 'upload', creates = 1, parked_at = NULL WHERE id = %s"
        " AND state = 'create_unknown' RETURNING " + COLUMNS,
        [run_id],
    )


def empty_list_of_cancelled(conn: Connection, run_id: str, *, lists: int, settle: timedelta) -> bool:
    """Count a list that did not show the job of an unclear create that shall be cancelled.

    Returns whether it is settled by now that there is none.
    """
    counted = conn.execute(
        "UPDATE provider_jobs SET empty_lists = empty_lists + 1, state = 'create_unknown' WHERE id = %s"
        " AND state IN ('creating', 'create_unknown') AND cancel_requested"
        " RETURNING empty_lists >= %s AND creating_since < clock_timestamp() - %s",
        [run_id, lists, settle],
    )
    return counted.fetchone() == (True,)
