"""Pictures over HTTP: score one at once, by its id or as a file, and look at those that were imported."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import anyio.from_thread
import anyio.to_thread
import orjson
from fastapi import APIRouter
from pydantic import Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from api.deps import Front, FrontDep, Reader, Submits
from api.idempotency import key_of
from api.recorder import Record
from api.routes.openai.multipart import FileForm
from api.views import View
from api.wire import json_response
from shared import ids
from shared.answering import Answered
from shared.artifacts import FileRef
from shared.blobs import BLOCK
from shared.contracts import Contract, JsonObject, Path
from shared.db import images
from shared.db.images import StoredImage
from shared.db.predictions import Prediction
from shared.errors import CorruptError, InvalidInputError, NotFoundError, TooLargeError, TuneyardError, UnavailableError
from shared.files import uploads_of
from shared.pipelines.images import PIPELINE
from shared.pipelines.images.contracts import TARGET_TYPES, ImageId, Score, ScorePath, TargetType, to_stars
from shared.pipelines.images.policy import policy

router = APIRouter(prefix="/v1/images", tags=["images"])

PREDICT_PATH: Final = "/v1/images/predict"
_AT_ONCE: Final = anyio.CapacityLimiter(8)  # slow uploads must not use up the threads that everything else runs in
_LARGEST_JSON: Final = 4_096
_FORM: Final = "multipart/form-data"
_PATHS: Final[dict[Path, ScorePath]] = {Path.MODEL: "onnx", Path.CACHE: "cache"}
_FILE_SCHEMA: Final = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "targetType": {"type": "string", "enum": ["binary", "regression"]},
    },
}


class PredictRequest(Contract):
    """Which picture to score: one that was imported. A file is sent as a form instead."""

    image: ImageId
    target_type: TargetType = Field(default=policy().serving.target_type, alias="targetType")


class PredictedScore(View):
    """A score, as the scorer's contract has it (seed 003), and where it is written down."""

    raw_score: float = Field(alias="rawScore", ge=0, le=1, description="0 to 1.")
    ai_rating: float = Field(alias="aiRating", ge=1, le=5, description="The same as stars, 1 to 5.")
    model_version: str = Field(alias="modelVersion", description="The version that truly scored.")
    path: ScorePath = Field(description="How the score came about.")
    target_type: TargetType = Field(alias="targetType")
    confidence: float = Field(ge=0, le=1)
    prediction_id: str = Field(alias="predictionId", examples=["pred_0192f0c1c2d37e8f9a0b1c2d3e4f5a6b"])


_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": PredictRequest.model_json_schema()},
            _FORM: {"schema": _FILE_SCHEMA},
        },
    }
}


@router.post(
    "/predict", name="images.predict", summary="Score a picture", response_model=PredictedScore, openapi_extra=_BODY
)
async def predict(request: Request, _who: Submits, front: FrontDep) -> Response:
    """Score a picture with the active model, through the inference queue; always within the call time-out.

    Send a form with the picture as `file`, or JSON with the id of an image. Where no model can score, the baseline
    does: `path` tells. A file is not kept as an image: import it for that.
    """
    key_of(request)  # a repetition does no harm anyway; but a key that is none is refused here as everywhere
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
        raw, target_type = await _received(front, request)
    else:
        raw, target_type = await _named(front, request)
    answered = await front.caller.call(PIPELINE, target_type, raw)
    if "refused" in answered.output:
        raise _fault(answered.output["refused"])
    prediction = Prediction(
        id=ids.new_id(ids.PREDICTION), pipeline=PIPELINE.name, surface=target_type, model_id=answered.model_id,
        path=answered.path.value, confidence=answered.confidence, output=answered.output, created_at=datetime.now(UTC),
    )  # fmt: skip
    front.recorder.record(Record(prediction))
    score = _score(answered)
    return json_response(
        {
            **score.model_dump(mode="json", by_alias=True),
            "targetType": target_type,
            "confidence": answered.confidence,
            "predictionId": prediction.id,
        }
    )


@router.get("/{image_id}/picture", name="images.picture", summary="Show an image", response_class=StreamingResponse)
def picture(image_id: ImageId, _who: Reader, front: FrontDep) -> StreamingResponse:
    """Send the cleaned picture of an image: without what the camera had written into its file."""
    found = _found(front, image_id)
    headers = {
        "Content-Length": str(found.bytes),
        "ETag": f'"{found.artifact}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Security-Policy": "default-src 'none'",
    }
    return StreamingResponse(_blocks(front, _ref(found)), media_type=f"image/{found.format}", headers=headers)


def _score(answered: Answered) -> Score:
    """Return the scorer's contract. Who answered without a worker was the baseline, in the place of whoever should."""
    output = answered.output
    raw = float(output["rawScore"])
    version = answered.model_version or output.get("modelVersion") or policy().baseline.version
    path = output.get("path") or _PATHS.get(answered.path, "baseline-fallback")
    return Score(raw_score=raw, ai_rating=to_stars(raw), model_version=version, path=path)


def _fault(document: JsonObject) -> TuneyardError:
    if document["code"] in {NotFoundError.code, CorruptError.code, UnavailableError.code}:
        return UnavailableError("the picture cannot be read from the store now", advice="try again, or import it again")
    return InvalidInputError(document["message"], advice=document.get("advice", ""), code=document["code"])


# --- which picture --------------------------------------------------------------------------------------------------


async def _named(front: Front, request: Request) -> tuple[JsonObject, TargetType]:
    body = bytearray()
    async for chunk in _pieces(request):
        body += chunk
        if len(body) > _LARGEST_JSON:
            raise TooLargeError("the body is too large to name an image", advice="send a picture as the file of a form")
    try:
        asked = PredictRequest.model_validate(orjson.loads(body))
    except (orjson.JSONDecodeError, ValidationError):
        raise InvalidInputError(
            "this names no image", advice='send {"image": "img_..."}, or the picture itself as the file of a form'
        ) from None
    found = await anyio.to_thread.run_sync(_found, front, asked.image)
    raw = {"image": found.id, "artifact": found.artifact, "bytes": found.bytes, "hour": found.hour}
    return raw, asked.target_type


async def _received(front: Front, request: Request) -> tuple[JsonObject, TargetType]:
    """Stream the form's file among the uploads, which are kept for a time only."""
    pieces = _pieces(request)
    content_type = request.headers.get("content-type", "")
    store = uploads_of(front.artifacts)

    async def next_piece() -> bytes:
        return await anext(pieces, b"")

    def take() -> tuple[FileRef, str | None]:
        with store.writer() as writer:
            form = FileForm(content_type, writer.write, policy().limits.max_bytes)
            while piece := anyio.from_thread.run(next_piece):
                form.feed(piece)
            form.finish()
        return writer.ref, form.fields.get("targetType")

    file, asked = await anyio.to_thread.run_sync(take, limiter=_AT_ONCE)
    raw = {"artifact": file.sha256, "bytes": file.size, "uploaded": True}
    for target_type in TARGET_TYPES:
        if target_type == (asked or policy().serving.target_type):
            return raw, target_type
    raise InvalidInputError("targetType must be binary or regression")


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            if chunk:
                yield chunk
    except ClientDisconnect:
        raise InvalidInputError("the file broke off", advice="send it again") from None


def _found(front: Front, image_id: str) -> StoredImage:
    found = front.database.read(lambda conn: images.find_image(conn, image_id))
    if found is None:
        raise NotFoundError(f"there is no image {image_id}", advice="imported.csv of an import has the images' ids")
    return found


def _ref(image: StoredImage) -> FileRef:
    return FileRef(sha256=image.artifact, size=image.bytes)


def _blocks(front: Front, file: FileRef) -> Any:
    with front.artifacts.open(file) as content:
        while block := content.read(BLOCK):
            yield block
