"""Protect any ASGI application, or a part of one.

bearer = Bearer(verifier)
app = bearer.protect(app)                               # who it is: scope["gatepass.principal"]
admin = bearer.require(role="admin").protect(admin)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import msgspec

from .errors import REQUIREMENTS_UNMET
from .guard import Cookie, Guard, Principal_co, Refused
from .resource import Resource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import TypeAlias

    from .challenge import Challenge
    from .principal import Principal

    Scope: TypeAlias = MutableMapping[str, Any]
    Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
    App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["Bearer", "Cookie", "Resource"]

PRINCIPAL = "gatepass.principal"
"""The key of the scope that holds the principal."""

UNESCAPED = "/:@!$&'()*+,;=~"
"""The characters that need no encoding in a path (RFC 3986 §3.3)."""

_DENIAL = "websocket.http.response"

_HTTP_DEFECT = 500


class Bearer(Guard[Principal_co]):
    """Turns the token of a request, or of a WebSocket's handshake, into a `Principal`."""

    async def __call__(self, scope: Scope) -> Principal_co:
        """Return the principal of the request.

        Raises:
            Refused: It is not let in.
        """
        return cast("Principal_co", await self.aadmit(AsgiRequest(scope)))

    def protect(self, app: App) -> App:
        """Return an application that admits the requests that this one admits, and answers the others itself.

        With a `resource` it serves the metadata document (RFC 9728), too. A CORS preflight is admitted as anonymous.
        """

        async def protected(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] not in ("http", "websocket"):
                await app(scope, receive, send)
            elif self._resource is not None and scope["path"] == self._resource.metadata_path:
                await _answer(scope, send, 200, {}, self.metadata())
            elif self.is_preflight(incoming := AsgiRequest(scope)):
                await app({**scope, PRINCIPAL: None}, receive, send)
            else:
                try:
                    principal = await self(scope)
                except Refused as refused:
                    await _refuse(scope, send, refused.answer)
                    return
                sending = _Sending(send)
                try:
                    await app({**scope, PRINCIPAL: principal}, receive, sending)
                except REQUIREMENTS_UNMET as error:
                    if sending.has_begun:
                        raise
                    await _refuse(scope, send, self.answer_to(error, incoming))
                except BaseException:
                    await sending.flush()
                    raise
                else:
                    await sending.flush()

        return protected

    def optional(self) -> Bearer[Principal | None]:
        """Return a copy that admits requests without a token, as None; a bad token is still refused."""
        return cast("Bearer[Principal | None]", self._optional())


class _Sending:
    """A `send` that knows whether a response has begun.

    Starlette and others answer an unknown exception with 500 and raise it again, so a 500 is held back.
    """

    __slots__ = ("_held", "_send", "has_begun")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: list[MutableMapping[str, Any]] = []
        self.has_begun = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if self._held or (not self.has_begun and message.get("status") == _HTTP_DEFECT):
            self._held.append(message)
            return
        self.has_begun = True
        await self._send(message)

    async def flush(self) -> None:
        """Send what was held back."""
        for message in self._held:
            await self._send(message)


class AsgiRequest:
    """A request of ASGI, as `Guard` reads it."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    @property
    def method(self) -> str:
        """The method."""
        method: str = self._scope.get("method", "GET")
        return method

    @property
    def url(self) -> str:
        """The URL."""
        scope = self._scope
        scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        raw = scope.get("raw_path")  # as it was sent; a server need not give it
        path = quote(scope["path"], UNESCAPED) if raw is None else raw.decode("latin-1")
        return f"{scheme}://{', '.join(self.header('host'))}{path}"

    @property
    def is_websocket(self) -> bool:
        """Whether it is a WebSocket's handshake."""
        kind: str = self._scope["type"]
        return kind == "websocket"

    def header(self, name: str) -> list[str]:
        """Return every value of a header."""
        octets = name.encode()
        return [value.decode("latin-1") for found, value in self._scope["headers"] if found == octets]


async def _refuse(scope: Scope, send: Send, answer: Challenge) -> None:
    status, headers, detail = answer
    if scope["type"] == "websocket" and _DENIAL not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
    else:
        await _answer(scope, send, status, headers, {"detail": detail})


async def _answer(scope: Scope, send: Send, status: int, headers: dict[str, str], document: object) -> None:
    kind = "http.response" if scope["type"] == "http" else _DENIAL
    body = msgspec.json.encode(document)
    every = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    written = [(name.lower().encode(), value.encode("latin-1")) for name, value in every.items()]
    await send({"type": f"{kind}.start", "status": status, "headers": written})
    await send({"type": f"{kind}.body", "body": b"" if scope.get("method") == "HEAD" else body})
