"""JSON as it leaves the front: times in UTC with a Z, no spaces."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson
from pydantic import BaseModel
from starlette.responses import Response

_OPTIONS: Final = orjson.OPT_UTC_Z


def dumps(value: Any) -> bytes:
    """Encode plain values; anything else as its text."""
    try:
        return orjson.dumps(value, default=str, option=_OPTIONS)
    except orjson.JSONEncodeError:  # numbers over 64 bits, and half a surrogate pair: rare, and JSON has words for them
        return json.dumps(value, default=_text, separators=(",", ":")).encode()


def _text(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON, past FastAPI's second validation: tests hold what we send against its schema instead."""
    content = value.model_dump_json() if isinstance(value, BaseModel) else dumps(value)
    return Response(content, status_code=status, media_type="application/json", headers=headers)
