"""Public documents that are rendered when they change, and answered before a request object is even made."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope, Send


class Document:
    """Bytes with a media type, an ETag of their content (RFC 9110 §8.8.3) and a time to be cached for, in seconds."""

    def __init__(self, body: bytes, *, media_type: str, max_age: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._body = body
        self._etag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
        common = [
            (b"cache-control", f"public, max-age={max_age}".encode()),
            (b"etag", self._etag),
            (b"access-control-allow-origin", b"*"),
            *headers,
        ]
        typed = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
        self._ok = {"type": "http.response.start", "status": 200, "headers": typed + common}
        self._not_modified = {"type": "http.response.start", "status": 304, "headers": common}

    async def answer(self, scope: Scope, send: Send) -> None:
        """Send the document, or 304 to who has it."""
        if self._is_known_to(scope):
            await send(self._not_modified)
            await send({"type": "http.response.body"})
            return
        await send(self._ok)
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else self._body})

    def _is_known_to(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"if-none-match":
                tags = [tag.strip().removeprefix(b"W/") for tag in value.split(b",")]
                return self._etag in tags or b"*" in tags
        return False
