"""The OpenAPI 3.1 description, generated from the route table and its structs, so that it cannot disagree with them."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.domain.limits.idempotency import LONGEST_KEY
from gatepass.server.web.auth.requirements import (
    MAY_REGISTER,
    OPENID_TOKEN,
    OPERATOR_IMPERSONATE,
    OPERATOR_READ,
    OPERATOR_REVOKE,
    OPERATOR_WRITE,
    RECEIVER_MANAGE,
    RECEIVER_READ,
    REGISTRATION,
)
from gatepass.server.web.errors import PROBLEMS, Problem
from gatepass.server.web.examples import answer_example, body_example
from gatepass.server.web.oauth_errors import OAuthError
from gatepass.server.web.routing import MALFORMED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gatepass.server.web.routing import Route

_REF_TEMPLATE = "#/components/schemas/{name}"
_ANY_CALL = ("duplicate_header", "headers_too_large", "internal_error")
_ANY_BODY = ("malformed_request", "invalid_body", "body_too_large", "unsupported_media_type", "request_timeout")
_ANY_FORM = ("invalid_request", "body_too_large", "unsupported_media_type", "request_timeout")
_ANY_STORE = ("store_unavailable", "signer_unavailable", "claims_unavailable")


_BY_BEARER = (
    OPENID_TOKEN,
    REGISTRATION,
    OPERATOR_READ,
    OPERATOR_WRITE,
    OPERATOR_IMPERSONATE,
    OPERATOR_REVOKE,
    RECEIVER_READ,
    RECEIVER_MANAGE,
)
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Lets the request be repeated: for a day the same key, with the same body, gets the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[ -~]+$"},
}


def describe(routes: Iterable[Route], *, issuer: str, version: str) -> dict[str, Any]:
    """Return the API's description as a JSON object; pages are not part of it."""
    routes = tuple(route for route in routes if not route.page)
    kinds = {
        kind
        for route in routes
        for kind in (route.body, *route.shapes, route.form, *route.answers.values())
        if kind is not None
    }
    ordered = sorted(kinds, key=repr)
    schemas, components = msgspec.json.schema_components((*ordered, Problem, OAuthError), ref_template=_REF_TEMPLATE)
    by_kind = dict(zip((*ordered, Problem, OAuthError), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Gatepass", "version": version, "description": "Signs users in and issues JSON Web Tokens."},
        "servers": [{"url": issuer}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),  # wherever their classes are defined
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def problems_of(route: Route) -> tuple[str, ...]:
    """Every error code of a call: its own, and those of its body and authentication."""
    body: tuple[str, ...] = _ANY_BODY if route.body is not None else _ANY_FORM if route.form is not None else ()
    if route.malformed:
        body = (route.malformed, *(code for code in body if code not in MALFORMED))
    return tuple(dict.fromkeys((*route.problems, *route.auth.problems, *body, *_ANY_STORE, *_ANY_CALL)))


def _operation(route: Route, by_kind: dict[Any, Any]) -> dict[str, Any]:
    name = re.sub(r"[^a-z]+", "_", f"{route.method} {route.path}".lower()).strip("_")
    operation: dict[str, Any] = {"summary": route.summary, "operationId": name, "responses": _responses(route, by_kind)}
    parameters = [
        {"name": parameter, "in": "path", "required": True, "schema": {"type": "string"}}
        for parameter in re.findall(r"{(\w+)}", route.path)
    ]
    parameters += _in_query(route.query)
    if route.takes_idempotency_key:
        parameters.append(_IDEMPOTENCY_KEY)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        schema = {"oneOf": [by_kind[shape] for shape in route.shapes]} if route.shapes else by_kind[route.body]
        media_types = ("application/json", "application/merge-patch+json")[: 2 if route.method == "PATCH" else 1]
        content = {"schema": schema, "example": body_example((route.shapes or (route.body,))[0])}
        operation["requestBody"] = {"content": dict.fromkeys(media_types, content)}
    if route.form is not None:
        operation["requestBody"] = {"content": {"application/x-www-form-urlencoded": _form(route, by_kind)}}
    if route.auth.by_person or route.auth in _BY_BEARER:
        operation["security"] = [{"bearer": []}]
    return operation


def _form(route: Route, by_kind: dict[Any, Any]) -> dict[str, Any]:
    return {"schema": by_kind[route.form], "example": body_example(route.form)}


def _in_query(kind: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a struct class, or None
    """The fields of a struct as parameters of the URL."""
    if kind is None:
        return []
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    return [{"name": name, "in": "query", "schema": field} for name, field in schema["properties"].items()]


def _responses(route: Route, by_kind: dict[Any, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, kind in route.answers.items():
        responses[str(status)] = {"description": HTTPStatus(status).phrase}
        if kind is not None:
            media_type = "application/json" if status < HTTPStatus.BAD_REQUEST else "application/problem+json"
            content = {"schema": by_kind[kind], "example": answer_example(kind)}
            responses[str(status)]["content"] = {media_type: content}
    for code in problems_of(route):
        content = {"application/problem+json": {"schema": by_kind[Problem]}}
        if route.form is not None or route.auth in (OPENID_TOKEN, MAY_REGISTER, REGISTRATION):
            content = {"application/json": {"schema": by_kind[OAuthError]}}
        response = responses.setdefault(str(PROBLEMS[code].status), {"description": "", "content": content})
        response["description"] = ", ".join(filter(None, (response["description"], f"`{code}`")))
    return responses
