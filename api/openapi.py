"""The OpenAPI document: FastAPI's own, with what all routes share said once."""

from typing import Any, Final

from api.errors import MEDIA_TYPE
from api.views import Problem
from shared.contracts import JsonObject

_PROBLEM: Final = {"$ref": "#/components/responses/Problem"}
_SHARED_RESPONSES: Final[JsonObject] = {
    "Problem": {
        "description": "What went wrong, and what to do.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
_SHARED_PARAMETERS: Final[JsonObject] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key and request get the same answer for a day; another request under it gets 422.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        "example": "2f1c6f0e-5d0c-4a43-9c7e-0d8a2d5f5b11",
    },
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "description": "`wait=N`: wait up to N seconds for the job's end, and answer 200 with its result.",
        "schema": {"type": "string"},
        "example": "wait=10",
    },
}
_OPEN: Final = frozenset({"/healthz", "/readyz", "/metrics", "/problems/{code}"})
_UNUSED: Final = ("HTTPValidationError", "ValidationError")


def describe(document: JsonObject) -> JsonObject:
    """Complete FastAPI's document: problems, and the headers that every POST takes."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _UNUSED:
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["responses"] = _SHARED_RESPONSES
    components["parameters"] = _SHARED_PARAMETERS
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _describe_operation(path, method, operation)
    return document


def _describe_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    for status in _statuses(path, method, operation):
        responses[status] = _PROBLEM
    responses["default"] = _PROBLEM
    if method == "post":
        parameters = operation.setdefault("parameters", [])
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
        if "202" in responses:
            parameters.append({"$ref": "#/components/parameters/Prefer"})
            responses["202"]["headers"] = {"Location": {"description": "The job.", "schema": {"type": "string"}}}


def _statuses(path: str, method: str, operation: dict[str, Any]) -> list[str]:
    statuses = [] if path in _OPEN else ["401", "403", "503"]
    if "{" in path:
        statuses.append("404")
    if method == "post":
        statuses += ["409", "413", "415"]
    if method == "post" or operation.get("parameters"):
        statuses.append("422")
    return statuses
