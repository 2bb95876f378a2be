"""The API's own description held against the server: requests are made from /openapi.json, and answers read by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.support.server import ANN, running_server

if TYPE_CHECKING:
    from pathlib import Path

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@pytest.mark.soak
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_as_described(
    mode: GenerationMode, tmp_path: Path, effort: int, subtests: pytest.Subtests
) -> None:
    """Whatever is sent to a call, what comes back is among the answers that the description lists, and never a 500.

    Where the request breaks the description, it is refused.
    """
    called = 0
    with running_server(tmp_path) as server, server.client() as client:
        client.post("/signup", json=ANN)
        token = client.post("/login", json=ANN).json()["token"]
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
        for result in schema.get_all_operations():
            assert isinstance(result, Ok)
            operation = result.ok()
            if operation.path == "/revocations":
                continue  # its answer never ends
            if not operation.body and not operation.path_parameters and mode is GenerationMode.NEGATIVE:
                continue  # there is nothing to get wrong

            @settings(max_examples=40 * effort, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode))
            def call(case: schemathesis.Case[Any]) -> None:
                answer = case.call(headers={"Authorization": f"Bearer {token}"})
                case.validate_response(answer, checks=CHECKS)

            with subtests.test(operation.label):
                call()
            called += 1
    assert called >= 5
