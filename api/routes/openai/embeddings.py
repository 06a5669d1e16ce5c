"""``/openai/v1/embeddings``: vectors of texts, made in the inference worker."""

import asyncio
import base64
import sys
from array import array
from typing import Final

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.deps import Front
from api.direct import DirectEndpoint, DirectRoute
from api.routes.openai import PREFIX
from api.routes.openai.chat_requests import EmbeddingRequest
from api.routes.openai.errors import invalid, model_not_found
from api.routes.openai.views import Shape
from api.security import Principal
from api.wire import json_response
from shared.contracts import JsonObject, Scope
from shared.llm.engines import MINILM, base_model, base_models
from shared.llm.engines.text import count_tokens
from workers.addressees import LOCAL_MODELS

router = APIRouter(prefix=PREFIX, tags=["openai"], include_in_schema=False)

_TEXTS_A_CALL: Final = 16  # so that a long list takes turns with other calls


async def embed(request: Request, asked: EmbeddingRequest, _who: Principal) -> Response:
    """Return a vector of length 1 for each text: as many dimensions as the model has, or as are asked for."""
    front: Front = request.app.state.front
    address = front.addresses.embedding_model(asked.model)
    if address is None:
        raise model_not_found(asked.model, known=", ".join(m.name for m in base_models() if m.kind == "embedding"))
    dimensions = base_model(asked.model).dimensions
    if asked.model == MINILM and asked.dimensions not in {None, dimensions}:
        raise invalid(f"vectors of {MINILM} have {dimensions} dimensions", param="dimensions")
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    calls = [
        {"texts": texts[start : start + _TEXTS_A_CALL], "dimensions": asked.dimensions or dimensions}
        for start in range(0, len(texts), _TEXTS_A_CALL)
    ]
    answers = await asyncio.gather(
        *(front.caller.ask(LOCAL_MODELS, str(address), orjson.Fragment(orjson.dumps(call))) for call in calls)
    )
    vectors = [vector for answer in answers for vector in answer["vectors"]]
    tokens = sum(map(count_tokens, texts))
    return json_response(
        {
            "object": "list",
            "data": [_shown(asked, number, vector) for number, vector in enumerate(vectors)],
            "model": asked.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _shown(asked: EmbeddingRequest, number: int, vector: str) -> JsonObject:
    """Show a vector: little-endian float32 in base64, as it comes from the worker, or numbers."""
    shown: str | list[float] = vector
    if asked.encoding_format == "float":
        numbers = array("f", base64.b64decode(vector))
        if sys.byteorder == "big":
            numbers.byteswap()
        shown = numbers.tolist()
    return {"object": "embedding", "index": number, "embedding": shown}


router.add_api_route(
    "/embeddings",
    DirectEndpoint(EmbeddingRequest, Scope.SUBMIT, embed, returns=Shape),
    methods=["POST"],
    name="openai.embeddings",
    response_model=None,
    route_class_override=DirectRoute,
)
