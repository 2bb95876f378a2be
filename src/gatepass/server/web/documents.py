"""Public documents, rendered when they change, and sent before a request object is created."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from gatepass.server.web.headers import API_POLICY, security_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from gatepass.server.base.settings import Settings

_WORTH_COMPRESSING = 1_024
"""Size in bytes below which compression saves at most one packet."""


class Answering(Protocol):
    """Answers a path before a request object is created."""

    async def answer(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        """Send the whole answer."""
        ...


class PublicDocument:
    """Bytes with a media type, an ETag of their content (RFC 9110 §8.8.3) and a time to be cached for, in seconds.

    Documents that are large enough are stored compressed too.
    """

    def __init__(self, body: bytes, *, media_type: str, max_age: int, headers: list[tuple[bytes, bytes]]) -> None:
        common = [
            (b"content-type", media_type.encode()),
            (b"cache-control", f"public, max-age={max_age}".encode()),
            (b"access-control-allow-origin", b"*"),
            (b"vary", b"Accept-Encoding"),
            *headers,
        ]
        self._plain = _Representation(body, common)
        self._gzipped: _Representation | None = None
        if len(body) >= _WORTH_COMPRESSING:
            self._gzipped = _Representation(gzip.compress(body, mtime=0), [*common, (b"content-encoding", b"gzip")])

    async def answer(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the document, or 304 if the client has it."""
        representation, known = self._plain, b""
        for name, value in scope["headers"]:
            if name == b"if-none-match":
                known = value
            elif name == b"accept-encoding" and self._gzipped is not None and _takes_gzip(value):
                representation = self._gzipped
        if known and representation.is_among(known):
            await send(representation.not_modified)
            await send({"type": "http.response.body"})
            return
        await send(representation.ok)
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else representation.body})


class _Representation:
    """One encoding of a document, with its own ETag."""

    def __init__(self, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.body = body
        self._etag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
        tagged = [*headers, (b"etag", self._etag)]
        length = (b"content-length", str(len(body)).encode())
        self.ok = {"type": "http.response.start", "status": 200, "headers": [*tagged, length]}
        self.not_modified = {"type": "http.response.start", "status": 304, "headers": tagged}

    def is_among(self, tags: bytes) -> bool:
        """Whether If-None-Match names it (RFC 9110 §13.1.2)."""
        known = [tag.strip().removeprefix(b"W/") for tag in tags.split(b",")]
        return self._etag in known or b"*" in known


def _takes_gzip(accepted: bytes) -> bool:
    """Whether Accept-Encoding names gzip, and not with a weight of 0."""
    for part in accepted.lower().split(b","):
        coding, _, weight = part.strip().partition(b";")
        if coding.strip() in (b"gzip", b"*"):
            return weight.replace(b" ", b"").rstrip(b"0.") != b"q="
    return False


class DeferredDocument:
    """A document that is rendered when it is first asked for, so that no start waits for what few read."""

    def __init__(self, render: Callable[[], PublicDocument]) -> None:
        self._render = render
        self._document: PublicDocument | None = None

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Render it in a thread if nobody has, and send it."""
        if self._document is None:
            self._document = await asyncio.to_thread(self._render)
        await self._document.answer(scope, receive, send)


class PublicDocuments:
    """The public documents by path; they change while the server runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._base = urlsplit(settings.issuer_url).path
        self.by_path: dict[str, Answering] = {}

    def publish(self, path: str, document: Answering) -> None:
        """Put a document in place, at a path under the issuer's."""
        self.by_path[self._base + path] = document

    def publish_at_root(self, path: str, document: Answering) -> None:
        """Put a document in place, at a path under the host."""
        self.by_path[path] = document

    def make(
        self, body: bytes, media_type: str = "application/json", policy: str = API_POLICY, *, max_age: int | None = None
    ) -> PublicDocument:
        """Make a document with the headers that every answer has; `max_age` in seconds, by default as the JWKS's."""
        return PublicDocument(
            body,
            media_type=media_type,
            max_age=self._settings.jwks_max_age_seconds if max_age is None else max_age,
            headers=security_headers(self._settings, policy),
        )
