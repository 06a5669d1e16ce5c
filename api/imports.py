"""``POST /v1/{pipeline}/import``: the body is the file. It streams into the artifact store, then a job reads it."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any, Final

import anyio.from_thread
import anyio.to_thread
from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api.deps import FrontDep
from api.security import Principal, requires
from api.steps import ACCEPTED, submit_step
from shared.artifacts import ArtifactStore, FileRef, Manifest
from shared.errors import InvalidInputError
from shared.files import UPLOAD, uploads_of
from shared.pipeline import Step

NAME: Final = "import"

_FORMATS: Final = {
    "text/csv": "csv",
    "application/csv": "csv",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "application/json-lines": "jsonl",
}
_PIECE: Final = 1 << 20  # bytes that are handed over at once: a thread switch for each packet would cost more than it
_AT_ONCE: Final = anyio.CapacityLimiter(8)  # slow uploads must not use up the threads that everything else runs in

_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": "query,label\nWhat is 2 + 2?,EASY\n"},
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"query": "What is 2 + 2?", "label": "EASY"}\n',
            },
        },
    }
}


def import_path(step: Step[Any]) -> str:
    """Return where a pipeline's import takes files."""
    return f"/v1/{step.pipeline}/{NAME}"


def add_import(router: APIRouter, step: Step[Any]) -> None:
    """Add the route that takes a file for an import step."""

    async def import_file(
        request: Request, who: Annotated[Principal, requires(step.scope)], front: FrontDep
    ) -> Response:
        format_ = _format_of(request)
        uploads = uploads_of(front.artifacts)
        file = await store_body(uploads, request)
        manifest = Manifest(kind=UPLOAD, files={f"rows.{format_}": file})
        upload = await anyio.to_thread.run_sync(uploads.publish, manifest)
        params = step.params.model_validate({"upload": upload, "format": format_})
        return await submit_step(request, step, params, who)

    router.add_api_route(
        import_path(step),
        import_file,
        methods=["POST"],
        name=step.kind,
        operation_id=f"{step.pipeline}_{NAME}",
        summary=step.summary.rstrip("."),
        description=(
            "Takes the file as the body, as CSV or as JSON lines. It is stored, and a job reads it: all of it goes in,"
            " or nothing. The job's error lists the bad lines. Importing the same file again changes nothing."
        ),
        tags=[step.pipeline],
        openapi_extra=_BODY,
        **ACCEPTED,
    )


def _format_of(request: Request) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        return _FORMATS[media_type]
    except KeyError:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the file as text/csv or application/x-ndjson"
        ) from None


async def store_body(artifacts: ArtifactStore, request: Request) -> FileRef:
    """Stream the body into a blob, in constant memory. Raises InvalidInputError when it breaks off."""
    pieces = _pieces(request)

    async def next_piece() -> bytes:
        return await anext(pieces, b"")

    def write() -> FileRef:
        with artifacts.writer() as writer:
            while piece := anyio.from_thread.run(next_piece):
                writer.write(piece)
        return writer.ref

    return await anyio.to_thread.run_sync(write, limiter=_AT_ONCE)


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
