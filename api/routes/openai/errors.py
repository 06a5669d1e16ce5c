"""Errors as OpenAI words them: ``{"error": {"message", "type", "param", "code"}}``, for every path under ``/openai``.

``api/errors.py`` hands its problem documents over here, so an endpoint raises the errors that all endpoints raise. What
OpenAI calls ``param`` is the error's detail of that name.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from api.wire import dumps
from shared.contracts import JsonObject
from shared.errors import InvalidInputError, NotFoundError

_PATHS: Final = "/openai/"
_TYPES: Final[Mapping[int, str]] = {
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}
_NO_RETRY: Final = {"x-should-retry": "false"}  # the SDK would try a conflict again by itself, in vain
# The words that programs look for where ours differ
_CODES: Final[Mapping[str, str]] = {
    "unauthenticated": "invalid_api_key",
    "forbidden": "insufficient_permissions",
    "invalid-input": "invalid_value",
}


def speaks_openai(path: str) -> bool:
    """Whether whoever asks for this path expects OpenAI's errors."""
    return path.startswith(_PATHS)


def openai_error(document: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """Say what a problem document says, as OpenAI would.

    A broken contract is 400 there, not 422. Advice is part of the message: the SDK shows nothing else.
    """
    status = int(document["status"])
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        status = HTTPStatus.BAD_REQUEST.value
    code = str(document["code"])
    advice = document.get("advice")
    error: JsonObject = {
        "message": document["detail"] + (f" ({advice})" if advice else ""),
        "type": _type_of(status),
        "param": _param_of(document.get("details") or {}),
        "code": _CODES.get(code, code.replace("-", "_")),
    }
    more = _NO_RETRY if status == HTTPStatus.CONFLICT else {}
    return Response(
        dumps({"error": error}), status_code=status, media_type="application/json", headers={**headers, **more}
    )


def model_not_found(name: str, known: str = "") -> NotFoundError:
    """Say that no model has this name; ``known`` lists those that there are, if that is of use."""
    return NotFoundError(
        f"The model `{name[:200]}` does not exist",
        code="model-not-found",
        advice=f"models here: {known}" if known else "GET /openai/v1/models lists them",
        param="model",
    )


def invalid(message: str, *, param: str | None = None, code: str = "invalid-value", advice: str = "") -> Exception:
    """Refuse one parameter of a request (400)."""
    return InvalidInputError(message, code=code, advice=advice, **({"param": param} if param else {}))


def _type_of(status: int) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "server_error"
    return _TYPES.get(status, "invalid_request_error")


def _param_of(details: Mapping[str, Any]) -> str | None:
    """Return the parameter at fault: the one that was named, or the first that broke the contract."""
    if "param" in details:
        return str(details["param"])
    faults = details.get("errors")
    if not faults:
        return None
    return str(faults[0]["where"]).removeprefix("body.").removeprefix("query.")
