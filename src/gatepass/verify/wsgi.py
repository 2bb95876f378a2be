"""Protect any WSGI application, or a part of one.

bearer = Bearer(verifier)
app = bearer.protect(app)                               # who it is: environ["gatepass.principal"]
admin = bearer.require(role="admin").protect(admin)
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import msgspec

from .asgi import UNESCAPED
from .errors import REQUIREMENTS_UNMET
from .guard import Cookie, Guard, Principal_co, Refused
from .resource import Resource

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication

    from .principal import Principal

__all__ = ["Bearer", "Cookie", "Resource"]

PRINCIPAL = "gatepass.principal"
"""The key of the environ that holds the principal."""


class Bearer(Guard[Principal_co]):
    """Turns the token of a request into a `Principal`."""

    def __call__(self, environ: dict[str, Any]) -> Principal_co:
        """Return the principal of the request.

        Raises:
            Refused: It is not let in.
        """
        return cast("Principal_co", self.admit(WsgiRequest(environ)))

    def protect(self, app: WSGIApplication) -> WSGIApplication:
        """Return an application that admits the requests that this one admits, and answers the others itself.

        With a `resource` it serves the metadata document (RFC 9728), too. A CORS preflight is admitted as anonymous.
        """

        def protected(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            if self._resource is not None and environ["PATH_INFO"] == self._resource.metadata_path:
                return _answer(environ, start_response, 200, {}, self.metadata())
            incoming = WsgiRequest(environ)
            try:
                principal = None if self.is_preflight(incoming) else self(environ)
                return app({**environ, PRINCIPAL: principal}, start_response)
            except Refused as refused:
                status, headers, detail = refused.answer
            except REQUIREMENTS_UNMET as error:
                status, headers, detail = self.answer_to(error, incoming)
            return _answer(environ, start_response, status, headers, {"detail": detail})

        return protected

    def optional(self) -> Bearer[Principal | None]:
        """Return a copy that admits requests without a token, as None; a bad token is still refused."""
        return cast("Bearer[Principal | None]", self._optional())


class WsgiRequest:
    """A request of WSGI, as `Guard` reads it. The server has joined what came several times by commas."""

    __slots__ = ("_environ",)

    is_websocket = False

    def __init__(self, environ: dict[str, Any]) -> None:
        self._environ = environ

    @property
    def method(self) -> str:
        """The method."""
        method: str = self._environ["REQUEST_METHOD"]
        return method

    @property
    def url(self) -> str:
        """The URL. PEP 3333 has it decoded, so an escaped slash cannot be told from a real one."""
        environ = self._environ
        host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
        path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
        return f"{environ.get('wsgi.url_scheme', 'http')}://{host}{quote(path, UNESCAPED)}"

    def header(self, name: str) -> list[str]:
        """Return the value of a header."""
        value = self._environ.get("HTTP_" + name.upper().replace("-", "_"))
        return [] if value is None else [value]


def _answer(
    environ: dict[str, Any], start_response: StartResponse, status: int, headers: dict[str, str], document: object
) -> Iterable[bytes]:
    body = msgspec.json.encode(document)
    every = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    start_response(f"{status} {HTTPStatus(status).phrase}", list(every.items()))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
