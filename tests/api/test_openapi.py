"""The OpenAPI document: valid, complete, with examples, and true under fuzzing."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as runs
from hypothesis.errors import InvalidArgument, Unsatisfiable
from openapi_spec_validator import validate
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.ids import canonical_json
from shared.settings import Settings, get_settings
from tests.api.conftest import Front

EXAMPLES = 5
AGAIN = 1  # of a step that another pipeline has just the same: the loop has written it once
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

# A body that breaks its schema may also be longer than the front takes; schemathesis knows all of these but 413.
_STATUSES = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429]
REFUSALS = SchemathesisConfig.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": _STATUSES}}})


@pytest.fixture
def front_settings(settings: Settings, probe_pipeline: None) -> Settings:
    return get_settings().model_copy(update={"max_wait_seconds": 0.05})  # an example asks to wait for jobs


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def test_the_document_is_valid_and_every_operation_is_described(front: Front) -> None:
    document = front.app.openapi()
    validate(document)
    ids = [operation["operationId"] for _, _, operation in _operations(document)]
    assert len(set(ids)) == len(ids)
    for path, method, operation in _operations(document):
        assert operation["summary"], path
        assert operation["description"], path
        assert operation["tags"], path
        assert "default" in operation["responses"], path
        if method == "post":
            assert {"$ref": "#/components/parameters/IdempotencyKey"} in operation["parameters"], path


def test_the_examples_are_what_the_front_accepts(front: Front) -> None:
    with front.client() as client:
        for path, _, operation in _operations(front.app.openapi()):
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for example in content.get("examples", {}).values():
                answer = client.post(path, json=example["value"])
                assert answer.status_code in {200, 201, 202, 404, 409}, (path, answer.text)


@pytest.mark.slow(50)
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # schemathesis does, inside its strategies
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_nothing_that_is_sent_makes_a_server_error_and_answers_fit_their_schema(
    front: Front, mode: GenerationMode
) -> None:
    document = schemathesis.openapi.from_url(f"{front.url}/openapi.json", config=REFUSALS)
    headers = {"Authorization": f"Bearer {front.key()}"}
    known: set[str] = set()
    for result in document.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if operation.path.endswith("/events"):  # a stream that waits for its job would only try our patience
            continue
        a_file = operation.path.endswith(("/import", "/uploads"))
        if a_file and mode is GenerationMode.NEGATIVE:  # it may hold anything
            continue
        shape = _shape(operation)
        _fuzz(operation, mode, headers, AGAIN if shape in known else EXAMPLES)
        known.add(shape)


def _shape(operation: APIOperation[Any, Any, Any, Any]) -> str:
    """Return what is the same for two operations that differ in nothing but their pipeline."""
    described = operation.definition.raw
    name = operation.path.rpartition("/")[2]
    return canonical_json([operation.method, name, described.get("requestBody"), described.get("parameters")]).decode()


def _fuzz(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, headers: dict[str, str], examples: int
) -> None:
    try:
        cases = operation.as_strategy(generation_mode=mode)
        cases.validate()
    except (InvalidArgument, Unsatisfiable):  # it takes nothing that could be wrong
        return

    # of a parameter that is given twice the last one counts, so only bodies that break their schema must be refused
    checks = [*CHECKS, negative_data_rejection] if operation.method == "post" else CHECKS

    @runs(
        max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(case=cases)
    def send(case: Case[Any]) -> None:
        case.call_and_validate(headers=headers, checks=checks)

    try:
        send()
    except Unsatisfiable:
        return
