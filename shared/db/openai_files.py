"""SQL of the table ``openai_files``: what was uploaded to our OpenAI-compatible API. The bytes are artifact blobs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from shared.artifacts import FileRef
from shared.errors import NotFoundError


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """One row of ``openai_files``. ``sha256`` names the blob."""

    id: str
    filename: str
    purpose: str
    sha256: str
    bytes: int
    actor: str
    created_at: datetime
    expires_at: datetime | None

    @property
    def ref(self) -> FileRef:
        """The blob."""
        return FileRef(sha256=self.sha256, size=self.bytes)


_COLUMNS: Final[LiteralString] = "id, filename, purpose, sha256, bytes, actor, created_at, expires_at"
_KEPT: Final[LiteralString] = "deleted_at IS NULL AND (expires_at IS NULL OR expires_at > now())"

_INSERT: Final[LiteralString] = (
    "INSERT INTO openai_files (id, filename, purpose, sha256, bytes, actor, expires_at)"
    " VALUES (%(id)s, %(filename)s, %(purpose)s, %(sha256)s, %(bytes)s, %(actor)s,"
    " now() + make_interval(secs => %(expires_in_s)s::double precision)) RETURNING " + _COLUMNS
)


def insert(
    conn: Connection,
    *,
    file_id: str,
    filename: str,
    purpose: str,
    ref: FileRef,
    actor: str,
    expires_in_s: int | None = None,
) -> StoredFile:
    """Record a file whose bytes are stored already."""
    values = {
        "id": file_id, "filename": filename, "purpose": purpose, "sha256": ref.sha256, "bytes": ref.size,
        "actor": actor, "expires_in_s": expires_in_s,
    }  # fmt: skip
    with conn.cursor(row_factory=class_row(StoredFile)) as cursor:
        row = cursor.execute(_INSERT, values).fetchone()
    if row is None:
        raise RuntimeError("INSERT … RETURNING returned no row")
    return row


def find(conn: Connection, file_id: str) -> StoredFile | None:
    """Return a file, unless it was deleted or has expired."""
    sql: LiteralString = "SELECT " + _COLUMNS + " FROM openai_files WHERE id = %s AND " + _KEPT
    with conn.cursor(row_factory=class_row(StoredFile)) as cursor:
        return cursor.execute(sql, [file_id]).fetchone()


def get(conn: Connection, file_id: str) -> StoredFile:
    """Return a file. Raises NotFoundError for one that was deleted or has expired, too."""
    row = find(conn, file_id)
    if row is None:
        raise NotFoundError(f"there is no file {file_id}", advice="upload it again, or list the files", param="file_id")
    return row


def of_job(conn: Connection, file_id: str) -> StoredFile:
    """Return a file that a fine-tuning job names: a job goes on with it even when it was deleted meanwhile."""
    sql: LiteralString = "SELECT " + _COLUMNS + " FROM openai_files WHERE id = %s"
    with conn.cursor(row_factory=class_row(StoredFile)) as cursor:
        row = cursor.execute(sql, [file_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no file {file_id}")
    return row


def list_files(
    conn: Connection, *, purpose: str | None, after: str | None, limit: int, ascending: bool
) -> list[StoredFile]:
    """Return files by age, the newest first unless ``ascending``; ``after`` is the last id of the page before."""
    newest: LiteralString = " AND (%(after)s::text IS NULL OR id < %(after)s) ORDER BY id DESC"
    oldest: LiteralString = " AND (%(after)s::text IS NULL OR id > %(after)s) ORDER BY id"
    sql: LiteralString = (
        "SELECT " + _COLUMNS + " FROM openai_files WHERE " + _KEPT
        + " AND (%(purpose)s::text IS NULL OR purpose = %(purpose)s)"
        + (oldest if ascending else newest) + " LIMIT %(limit)s"
    )  # fmt: skip
    with conn.cursor(row_factory=class_row(StoredFile)) as cursor:
        return cursor.execute(sql, {"purpose": purpose, "after": after, "limit": limit}).fetchall()


def delete(conn: Connection, file_id: str) -> bool:
    """Forget a file; False: there was none. Its bytes stay, for an artifact's bytes may be in use elsewhere."""
    sql: LiteralString = "UPDATE openai_files SET deleted_at = now() WHERE id = %s AND " + _KEPT
    return conn.execute(sql, [file_id]).rowcount == 1
