"""The outermost ASGI function: documents, routing, headers, CORS and errors. An ordinary request logs nothing."""

from __future__ import annotations

import asyncio
import random
import traceback
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gatepass.server.base.errors import GatepassError, Refusal
from gatepass.server.web.auth.dpop import NEXT_NONCE
from gatepass.server.web.auth.requirements import ANY_CLIENT, ANYONE, CLIENT, OPENID_TOKEN, THIS_MACHINE, SplitBody
from gatepass.server.web.call import Call
from gatepass.server.web.cors import OPEN_TO_PAGES
from gatepass.server.web.errors import PROBLEMS, problem
from gatepass.server.web.headers import of_interaction, page_headers, security_headers
from gatepass.server.web.metadata import RESOURCE_PATH, paths_of
from gatepass.server.web.oauth_errors import OAUTH_PREFIX, bearer_error, oauth_error, offer_dpop
from gatepass.server.web.pages import PageResponse
from gatepass.server.web.parsing import Body, check_headers, header, read_body
from gatepass.server.web.routing import MALFORMED, NoRoute
from gatepass.server.web.sending import send_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from gatepass.server.base.settings import Settings
    from gatepass.server.web.auth.gate import Gate
    from gatepass.server.web.call import CallContext
    from gatepass.server.web.cors import Cors
    from gatepass.server.web.documents import Answering
    from gatepass.server.web.metrics import Metrics
    from gatepass.server.web.pages import Pages
    from gatepass.server.web.routing import Route, RouteTable
    from gatepass.server.web.tracing import Tracing

log = structlog.get_logger("gatepass")

_PATH, _OUTCOME = "gatepass.path", "gatepass.outcome"
"""The keys in a request's scope of its route's path (with parameter names), and of its refusal."""
_HAS_UNREAD_BODY = "gatepass.has_unread_body"
"""Set in the scope if the rest of a body may still be arriving: the connection cannot be reused then."""
_IN_INTERACTION = "gatepass.in_interaction"
"""Stands in the scope where the answer lies between an authorization request and the client's."""
_PREFLIGHT_OF_A_DOCUMENT = Response(
    status_code=204,
    headers={
        "allow": "GET, HEAD",
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, HEAD",
        "access-control-allow-headers": "*",
        "access-control-max-age": "600",
    },
)
"""A page of any origin may read the public documents, also with a custom header, which needs a preflight."""
_MALFORMED = ("invalid_body", "malformed_request")
MAX_FORM_BYTES = 16_384
"""For a client's form, which is split before the client is authenticated."""


class Application:
    """The ASGI application: a route table and a set of public documents.

    Args:
        routes: the calls.
        documents: answered by path before anything else; the mapping may change while serving.
        gate: what finds out who makes a request.
        context: what reads a request for a call.
        settings: limits, and the issuer, whose path every route lies under.
        cors: which other origins may call.
        pages: what checks their forms and shows their errors.
        metrics: where answers are counted.
        tracing: what follows requests, if anything does.
    """

    def __init__(  # noqa: PLR0913 - all that an answer may need
        self,
        routes: RouteTable,
        documents: Mapping[str, Answering],
        *,
        gate: Gate,
        context: CallContext,
        settings: Settings,
        cors: Cors,
        pages: Pages,
        metrics: Metrics,
        tracing: Tracing,
    ) -> None:
        self._routes = routes
        self._documents = documents
        self._gate = gate
        self._context = context
        self._settings = settings
        self._cors = cors
        self._headers = security_headers(settings)
        self._pages = pages
        self._metrics = metrics
        self._tracing = tracing
        self._page_headers = page_headers(settings)
        self._page_prefix = pages.path("")
        self._resource_metadata_url = urljoin(settings.issuer_url, paths_of(RESOURCE_PATH, settings.issuer_url)[0])
        self._oauth_prefix = urlsplit(settings.issuer_url).path + OAUTH_PREFIX

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope."""
        document = self._documents.get(scope["path"])
        if document is not None and scope["method"] in ("GET", "HEAD"):
            began = perf_counter()
            await document.answer(scope, receive, send)
            self._metrics.note(scope["path"], "ok", perf_counter() - began)
            return
        if document is not None and scope["method"] == "OPTIONS":
            await _PREFLIGHT_OF_A_DOCUMENT(scope, receive, send)
            return
        request = Request(scope, receive)
        request_id = f"{random.getrandbits(64):016x}"  # an id for searching logs, not a secret
        try:
            response = await self._follow(request, request_id)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:
            await problem("shutting_down", request_id=request_id, headers={"retry-after": "1"})(scope, receive, send)
            raise
        response.raw_headers.append((b"x-request-id", request_id.encode()))
        if NEXT_NONCE in scope:
            response.raw_headers.append((b"dpop-nonce", scope[NEXT_NONCE].encode()))
        if _HAS_UNREAD_BODY in scope:
            response.raw_headers.append((b"connection", b"close"))
        if isinstance(response, PageResponse):  # scripts of other origins cannot read it
            headers = self._page_headers[response.script]
            is_interaction = _IN_INTERACTION in scope
            response.raw_headers.extend(of_interaction(headers, response.form_target) if is_interaction else headers)
        elif _IN_INTERACTION in scope:
            response.raw_headers.extend(of_interaction(self._headers))
        else:
            response.raw_headers.extend(self._headers)
            is_open = self._routes.is_open_to_pages(scope["path"])
            response.raw_headers.extend(OPEN_TO_PAGES if is_open else self._cors.headers_for(request))
        if scope["method"] == "HEAD":
            response.body = b""
        await send_answer(response, scope, receive, send)

    async def _follow(self, request: Request, request_id: str) -> Response:
        """Respond, count, and trace if configured."""
        began = perf_counter()
        with self._tracing.request(request):
            response = await self._respond(request, request_id)
            path, outcome = request.scope.get(_PATH, "none"), request.scope.get(_OUTCOME, "ok")
            self._metrics.note(path, outcome, perf_counter() - began)
            self._tracing.answered(path, response.status_code, outcome)
        return response

    async def _respond(self, request: Request, request_id: str) -> Response:
        """Route, parse, handle; every failure becomes a problem document."""
        route: Route | None = None
        try:
            check_headers(request)
            route, request.scope["path_params"] = self._routes.find(
                request.method, request.scope["path"], request.scope.get("raw_path", b"")
            )
            request.scope[_PATH] = route.path
            return await self._handle(request, route)
        except GatepassError as error:
            return self._refuse(error, request, request_id, route)
        except NoRoute as error:
            request.scope[_OUTCOME] = "method_not_allowed" if error.allowed else "not_found"
            return self._without_route(request, error.allowed, request_id)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - a defect is answered and logged, whatever it is
            self._log(error, request, request_id)
            defect = GatepassError("internal_error", "")
            return self._refuse(defect, request, request_id, route)

    async def _handle(self, request: Request, route: Route) -> Response:
        """Authenticate, then convert the body, then handle: the body of a stranger is not even parsed."""
        if route.page:
            if self._is_oauth(request) or self._leads_to_interaction(request):
                request.scope[_IN_INTERACTION] = True
            if route.form is None and route.auth != THIS_MACHINE:
                elsewhere = self._pages.at_the_issuer(request)
                if elsewhere is not None:
                    return elsewhere
            if route.form is not None and not route.from_elsewhere:
                self._pages.check_origin(request)
        body = await self._body(request, route) if route.auth.in_body else None
        if route.auth is not ANYONE:
            instead = await self._admit(request, route, body)
            if instead is not None:
                return instead
        body = await self._body(request, route) if body is None else body
        converted = body.converted()
        if route.page and self._pages.is_interaction(getattr(converted, "return_to", "")):
            request.scope[_IN_INTERACTION] = True
        if route.page and route.form is not None and not route.from_elsewhere:
            self._pages.check_form(request, converted)
        return await self._serve(Call(request, self._context), route, converted)

    async def _admit(self, request: Request, route: Route, body: Body | None) -> Response | None:
        """Authenticate; a page that requires a user redirects to the sign-in page instead of failing."""
        try:
            split = None if body is None else SplitBody(body.texts(), body.converted)
            instead = await self._gate.admit(request, route, split)
        except GatepassError:
            if body is None:
                await self._pass_over_body(request, route)
            raise
        if instead is not None:
            await self._pass_over_body(request, route)
        return instead

    @staticmethod
    async def _serve(call: Call, route: Route, converted: object) -> Response:
        """Handle the request; if it is refused, show the form's page again if the route names it."""
        try:
            return await route.handler(call, converted)
        except GatepassError as error:
            if route.show is None:
                raise
            return await route.show(call, converted, error)

    async def _body(self, request: Request, route: Route) -> Body:
        if route.body is None and route.form is None:
            return Body(b"", "", route)
        limit = self._settings.max_body_bytes
        if route.auth in (CLIENT, ANY_CLIENT, OPENID_TOKEN):
            limit = min(limit, MAX_FORM_BYTES)
        try:
            octets = await read_body(request, max_bytes=limit)
        except Refusal:
            request.scope[_HAS_UNREAD_BODY] = True
            raise
        return Body(octets, header(request, b"content-type") or "", route)

    async def _pass_over_body(self, request: Request, route: Route) -> None:
        """Read the rest of the body, so that the connection can be reused; close the connection if it is too long."""
        with suppress(Refusal):
            await self._body(request, route)

    def _log(self, error: Exception, request: Request, request_id: str) -> None:
        """Log a defect, with its traceback as text: structlog's own shows local values, including passwords."""
        log.error(
            "internal error",
            request_id=request_id,
            method=request.method,
            path=request.scope["path"],
            exception="".join(traceback.format_exception(error)),
        )

    def _refuse(self, error: GatepassError, request: Request, request_id: str, route: Route | None) -> Response:
        if route is not None and route.malformed and error.code in MALFORMED:
            error = Refusal(route.malformed, error.detail)
        request.scope[_OUTCOME] = error.code
        if error.private:
            log.warning("refused", code=error.code, private=error.private, request_id=request_id)
        headers: dict[str, str] = {}
        if error.retry_after is not None:
            headers["retry-after"] = str(error.retry_after)
        if route is not None and route.page:
            response = self._error_page(request, error)
            response.headers.update(headers)
            return response
        if route is not None and route.auth is OPENID_TOKEN:
            authorization = request.headers.get("authorization", "")
            return bearer_error(
                error.code, error.detail, authorization, metadata_url=self._resource_metadata_url, headers=headers
            )
        if self._is_oauth(request) and not (route is not None and route.auth.scope):  # operators have problem details
            # What comes as JSON is what a client says of itself (RFC 7591 §3.2.2).
            is_metadata = route is not None and route.body is not None and error.code in _MALFORMED
            code = "invalid_client_metadata" if is_metadata else error.code
            return oauth_error(code, error.detail, headers=headers, by_header=_has_authorization(request))
        if route is not None and route.auth.scope and error.code == "insufficient_scope":
            headers["www-authenticate"] = f'Bearer error="insufficient_scope", scope="{route.auth.scope}"'
        response = problem(
            error.code, error.detail, request_id=request_id, headers=headers, shown_code=error.shown_code
        )
        if route is not None and (route.auth.by_person or route.auth.scope):
            offer_dpop(response, request.headers.get("authorization", ""), self._resource_metadata_url)
        return response

    def _error_page(self, request: Request, error: GatepassError) -> Response:
        """Show an error page, with a link back to the form or to an existing page."""
        path = request.scope["path"]
        is_there = "GET" in self._routes.methods_at(path)
        return self._pages.error_page(request, error, again=path if is_there else self._pages.path("account"))

    def _without_route(self, request: Request, allowed: tuple[str, ...], request_id: str) -> Response:
        path = request.scope["path"]
        if path in self._documents:
            allowed = ("GET",)
        if path.startswith(self._page_prefix):
            return self._error_page(request, Refusal("method_not_allowed" if allowed else "not_found", ""))
        if allowed and request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": ", ".join(allowed), **self._cors.preflight(allowed)})
        code, headers = ("method_not_allowed", {"allow": ", ".join(allowed)}) if allowed else ("not_found", {})
        if self._is_oauth(request):
            return oauth_error(code, PROBLEMS[code].meaning, headers=headers)
        return problem(code, request_id=request_id, headers=headers)

    def _leads_to_interaction(self, request: Request) -> bool:
        return self._pages.is_interaction(request.query_params.get("return_to", request.scope["path"]))

    def _is_oauth(self, request: Request) -> bool:
        """Whether errors use RFC 6749's format, which clients expect under this path."""
        path: str = request.scope["path"]
        return path.startswith(self._oauth_prefix)


def _has_authorization(request: Request) -> bool:
    return "authorization" in request.headers
