"""``/openai/v1/files``: what training jobs read. Bytes stream into the artifact store and out of it."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote

import anyio.from_thread
import anyio.to_thread
from annotated_types import Ge, Le
from fastapi import APIRouter, Query
from psycopg import Connection
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from api.deps import Front, FrontDep, Submits
from api.idempotency import Claim, key_of
from api.routes.openai import PREFIX
from api.routes.openai.errors import invalid
from api.routes.openai.multipart import FileForm
from api.routes.openai.views import Deleted, FilePage, FileView
from api.security import Principal
from api.transaction import Work, in_transaction, reading
from api.wire import json_response
from shared import ids
from shared.artifacts import ArtifactStore, FileRef
from shared.blobs import BLOCK
from shared.contracts import JsonObject
from shared.db import idempotency, openai_files
from shared.db.openai_files import StoredFile
from shared.errors import InvalidInputError, NotFoundError

router = APIRouter(prefix=PREFIX, tags=["openai"], include_in_schema=False)

UPLOAD_PATH: Final = f"{PREFIX}/files"
LARGEST: Final = 512 * 1024 * 1024  # OpenAI's own limit
_PURPOSES: Final = ("assistants", "batch", "fine-tune", "vision", "user_data")
_PIECE: Final = 1 << 20  # bytes that are handed to the writing thread at once
_AT_ONCE: Final = anyio.CapacityLimiter(8)  # slow uploads must not use up the threads that everything else runs in
_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_EXPIRES: Final = range(3600, 2592001)  # as OpenAI: an hour to thirty days


@dataclass(frozen=True, kw_only=True)
class _Upload:
    """A file whose bytes are stored, and what its form said about it."""

    ref: FileRef
    filename: str
    purpose: str
    expires_in_s: int | None


@router.post("/files", name="openai.files.create")
async def create_file(request: Request, who: Submits, front: FrontDep) -> Response:
    """Store a file. Nothing of it is checked here but its size: that is the work of the job that uses it."""
    key = key_of(request)
    upload = await _receive(front.artifacts, request)
    body, status = await anyio.to_thread.run_sync(_record, front, who, key, upload)
    return json_response(body, status)


@router.get("/files", name="openai.files.list", response_model_exclude_none=True)
@reading
def list_files(
    conn: Connection,
    *,
    _who: Submits,
    purpose: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Ge(1), Le(10_000)] = 10_000,
    order: Annotated[str, Query(pattern="^(asc|desc)$")] = "desc",
    after: Annotated[str | None, Query(max_length=64)] = None,
) -> FilePage:
    """Show files, the newest first."""
    found = openai_files.list_files(conn, purpose=purpose, after=after, limit=limit + 1, ascending=order == "asc")
    shown = FilePage.of([FileView.of(file) for file in found], limit)
    if not shown.data:
        return shown
    return shown.model_copy(update={"first_id": shown.data[0].id, "last_id": shown.data[-1].id})


@router.get("/files/{file_id}", name="openai.files.show", response_model_exclude_none=True)
@reading
def show_file(conn: Connection, file_id: str, _who: Submits) -> FileView:
    """Show a file."""
    return FileView.of(openai_files.get(conn, file_id))


@router.delete("/files/{file_id}", name="openai.files.delete")
@in_transaction
def delete_file(work: Work, file_id: str, _who: Submits) -> Deleted:
    """Forget a file. A job that trains on it goes on with it."""
    if not openai_files.delete(work.conn, file_id):
        raise NotFoundError(f"there is no file {file_id}", param="file_id")
    return Deleted(id=file_id, object="file")


@router.get("/files/{file_id}/content", name="openai.files.content")
def file_content(file_id: str, _who: Submits, front: FrontDep) -> Response:
    """Stream a file's bytes."""
    file = front.database.read(lambda conn: openai_files.get(conn, file_id))
    return StreamingResponse(
        _blocks(front.artifacts, file),
        media_type="application/octet-stream",
        headers={
            "Content-Length": str(file.bytes),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.filename, safe='')}",
        },
    )


def _blocks(store: ArtifactStore, file: StoredFile) -> Iterator[bytes]:
    with store.open(file.ref) as source:
        while block := source.read(BLOCK):
            yield block


# --- taking a file --------------------------------------------------------------------------------------------------


async def _receive(artifacts: ArtifactStore, request: Request) -> _Upload:
    """Stream the form's file into a blob, in constant memory; what is refused leaves nothing behind."""
    pieces = _pieces(request)
    content_type = request.headers.get("content-type", "")

    async def next_piece() -> bytes:
        return await anext(pieces, b"")

    def take() -> _Upload:
        with artifacts.writer() as writer:
            form = FileForm(content_type, writer.write, LARGEST)
            while piece := anyio.from_thread.run(next_piece):
                form.feed(piece)
            form.finish()
            purpose, expires_in_s = _purpose(form.fields), _expiry(form.fields)
        return _Upload(ref=writer.ref, filename=form.filename or "file", purpose=purpose, expires_in_s=expires_in_s)

    return await anyio.to_thread.run_sync(take, limiter=_AT_ONCE)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    gathered = bytearray()
    try:
        async for chunk in request.stream():
            gathered += chunk
            if len(gathered) >= _PIECE:
                yield bytes(gathered)
                gathered.clear()
    except ClientDisconnect:
        raise InvalidInputError("the file broke off", advice="send it again: nothing was stored") from None
    if gathered:
        yield bytes(gathered)


def _purpose(fields: dict[str, str]) -> str:
    purpose = fields.get("purpose")
    if purpose is None:
        raise invalid("the form has no purpose", param="purpose", code="missing-required-parameter")
    if purpose not in _PURPOSES:
        raise invalid(f"there is no such purpose; choose one of: {', '.join(_PURPOSES)}", param="purpose")
    return purpose


def _expiry(fields: dict[str, str]) -> int | None:
    """Return after how many seconds the file shall be forgotten: ``expires_after[seconds]``, from its creation."""
    asked = fields.get("expires_after[seconds]")
    if asked is None and "expires_after[anchor]" not in fields:
        return None
    if fields.get("expires_after[anchor]") != "created_at":
        raise invalid("a file can only expire after its creation", param="expires_after.anchor")
    if asked is None or not _SECONDS.fullmatch(asked) or int(asked) not in _EXPIRES:
        raise invalid("a file expires after 3600 to 2592000 seconds", param="expires_after.seconds")
    return int(asked)


def _record(front: Front, who: Principal, key: str | None, upload: _Upload) -> tuple[JsonObject, int]:
    """Write the row, once for each idempotency key; return the answer and its status."""
    asked = ids.canonical_json([upload.ref.sha256, upload.filename, upload.purpose, upload.expires_in_s])
    claim = Claim(who.name, key, f"POST {UPLOAD_PATH}\n".encode() + asked) if key else None
    with front.database.transaction() as conn:
        if claim and not idempotency.take(conn, claim.actor, claim.key, claim.request):
            return claim.earlier_answer(conn)
        file = openai_files.insert(
            conn, file_id=ids.new_dashed_id(ids.FILE), filename=upload.filename, purpose=upload.purpose,
            ref=upload.ref, actor=who.name, expires_in_s=upload.expires_in_s,
        )  # fmt: skip
        body = FileView.of(file).model_dump(mode="json", exclude_none=True)
        if claim:
            idempotency.keep(conn, claim.actor, claim.key, status=200, body=body)
        return body, 200
