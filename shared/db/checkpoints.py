"""SQL of the table ``job_checkpoints``: how far long trainings have come."""

from datetime import timedelta

from psycopg import Connection

from shared.artifacts import FileRef


def put(conn: Connection, job_id: str, attempt: int, file: FileRef) -> FileRef | None:
    """Make a blob the checkpoint of a job; return the one that was in its place."""
    before = get(conn, job_id)
    conn.execute(
        """INSERT INTO job_checkpoints (job_id, attempt, sha256, size) VALUES (%s, %s, %s, %s)
        ON CONFLICT (job_id) DO UPDATE
        SET attempt = EXCLUDED.attempt, sha256 = EXCLUDED.sha256, size = EXCLUDED.size, at = now()""",
        [job_id, attempt, file.sha256, file.size],
    )
    return before


def get(conn: Connection, job_id: str) -> FileRef | None:
    """Return the checkpoint of a job, if it has one."""
    row = conn.execute("SELECT sha256, size FROM job_checkpoints WHERE job_id = %s", [job_id]).fetchone()
    return FileRef(sha256=row[0], size=row[1]) if row else None


def drop(conn: Connection, job_id: str) -> None:
    """Forget the checkpoint of a job that has done its work."""
    conn.execute("DELETE FROM job_checkpoints WHERE job_id = %s", [job_id])


def drop_ended(conn: Connection, failed_for: timedelta) -> None:
    """Forget those of jobs that ended, and of those that failed so long ago that nobody will try them again."""
    conn.execute(
        """DELETE FROM job_checkpoints c USING jobs j
        WHERE j.id = c.job_id
          AND (j.state IN ('succeeded', 'cancelled') OR (j.state = 'failed' AND j.finished_at < now() - %s))""",
        [failed_for],
    )


def wanted(conn: Connection) -> set[str]:
    """Return the hashes of all blobs that are somebody's checkpoint."""
    return {sha256 for (sha256,) in conn.execute("SELECT sha256 FROM job_checkpoints").fetchall()}
