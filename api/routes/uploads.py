"""Files that steps take and make: uploads go in, a job's result files come out, both streamed."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import APIRouter, Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.deps import Front, FrontDep, Reader, Submits
from api.idempotency import key_of
from api.imports import store_body
from api.paging import JobId
from api.views import View
from api.wire import json_response
from shared import jobs
from shared.artifacts import FileRef
from shared.blobs import BLOCK
from shared.errors import NotFoundError
from shared.files import FILE_NAME, ResultFiles, files_of_result, upload_manifest, uploads_of

router = APIRouter(tags=["files"])

UPLOAD_PATH: Final = "/v1/uploads"
_BYTES: Final = "application/octet-stream"
_SHA: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

_FileName = Annotated[
    str, Path(pattern=FILE_NAME, description="A name from the list of the job's files, with its folders.")
]
_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}}}
}
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file's bytes.",
        "content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}},
    }
}


class UploadView(View):
    """A file that was stored. ``upload`` is what steps take for it; the same bytes have the same."""

    upload: str = Field(examples=[_SHA])
    size: int


class ResultFile(View):
    """A file that a job has made: its name, and its size in bytes."""

    name: str = Field(examples=["drafts.json"])
    size: int


class ResultFilesView(View):
    """The files of a job's result. ``folder`` is where the command line writes them unless told otherwise."""

    items: list[ResultFile]
    folder: str


@router.post(
    UPLOAD_PATH,
    name="uploads.create",
    summary="Upload a file",
    status_code=HTTPStatus.CREATED,
    response_model=UploadView,
    openapi_extra=_BODY,
)
async def upload(request: Request, _who: Submits, front: FrontDep) -> Response:
    """Take the body as a file, whatever it is, for a step that has a file among its parameters.

    Nothing of it is checked but its size. Sending the same file again changes nothing and gives the same answer.
    """
    key_of(request)  # a repetition does no harm anyway; but a key that is none is refused here as everywhere
    uploads = uploads_of(front.artifacts)
    file = await store_body(uploads, request)
    sha256 = await anyio.to_thread.run_sync(uploads.publish, upload_manifest(file))
    return json_response(UploadView(upload=sha256, size=file.size), HTTPStatus.CREATED)


@router.get("/v1/jobs/{job_id}/files", name="jobs.files", summary="List a job's files")
def list_files(job_id: JobId, _who: Reader, front: FrontDep) -> ResultFilesView:
    """Show the files that a succeeded job has made."""
    files = _files_of(front, job_id)
    items = [ResultFile(name=name, size=size) for name, size in files.sizes.items()]
    return ResultFilesView(items=items, folder=files.folder)


@router.get(
    "/v1/jobs/{job_id}/files/{name:path}",
    name="jobs.file",
    summary="Download a job's file",
    response_class=StreamingResponse,
    responses=_STREAM,
)
def download(job_id: JobId, name: _FileName, _who: Reader, front: FrontDep) -> StreamingResponse:
    """Send a file that the job has made, as it is; browsers save it and do not show it."""
    files = _files_of(front, job_id)
    file = front.artifacts.manifest(files.manifest).files.get(name) if name in files.sizes else None
    if file is None:
        raise NotFoundError(f"the job has no file {name}", advice=f"list its files at /v1/jobs/{job_id}/files")
    plain = name.rpartition("/")[2]
    headers = {
        "Content-Disposition": f'attachment; filename="{plain}"',  # the pattern lets no quote through
        "Content-Length": str(file.size),
        "ETag": f'"{file.sha256}"',
    }
    return StreamingResponse(_blocks(front, file), media_type=_BYTES, headers=headers)


def _files_of(front: Front, job_id: str) -> ResultFiles:
    job = front.database.read(lambda conn: jobs.get(conn, job_id))
    files = files_of_result(job.result)
    if files is None:
        raise NotFoundError(
            f"the job {job_id} has no files", advice="a job has them when it has succeeded, if its step makes any"
        )
    return files


def _blocks(front: Front, file: FileRef) -> Iterator[bytes]:
    with front.artifacts.open(file) as content:
        while block := content.read(BLOCK):
            yield block
