"""From a struct to a response."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNCACHED = {"cache-control": "no-store"}


class JsonResponse(Response):
    """JSON that must not be cached, because nearly every answer is about one user."""

    media_type = "application/json"

    def __init__(
        self, content: msgspec.Struct | list[msgspec.Struct] | dict[str, object], status_code: int = 200
    ) -> None:
        super().__init__(msgspec.json.encode(content), status_code)

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:  # noqa: ARG002 - they are always these
        """Write the headers directly: Starlette checks which are missing, which takes three times as long."""
        self.raw_headers = [
            (b"cache-control", b"no-store"),
            (b"content-length", str(len(self.body)).encode()),
            (b"content-type", b"application/json"),
        ]


def empty() -> Response:
    """Answer 200 without a body, as RFC 7009 §2.2 does."""
    return Response(headers=_UNCACHED)


def no_content() -> Response:
    """Answer 204."""
    return Response(status_code=204, headers=_UNCACHED)
