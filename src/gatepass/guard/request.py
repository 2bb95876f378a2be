"""The request that a proxy asks about, as `gatepass.verify` reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HeaderList = list[tuple[bytes, bytes]]
"""The headers of the proxy's own request, with names in lower case; among them are those of the client's."""


class ProxiedRequest:
    """A request that has come to a proxy.

    Its token is in the headers that the proxy passes on. Its method and URL, which only a DPoP proof needs (RFC 9449
    §4.3), are what a listed proxy says in `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`. A client can send these
    itself: of anybody else nothing is believed, and then there is no URL that a proof could be about.
    """

    __slots__ = ("_headers", "_is_told")

    is_websocket = False

    def __init__(self, headers: HeaderList, *, is_told: bool) -> None:
        """Read one.

        Args:
            headers: Of the proxy's request.
            is_told: Whether it comes from a listed proxy.
        """
        self._headers = headers
        self._is_told = is_told

    @property
    def method(self) -> str:
        """The method."""
        return self._told("x-forwarded-method")

    @property
    def url(self) -> str:
        """The URL, without its query."""
        host, path = self._told("x-forwarded-host"), self._told("x-forwarded-uri").partition("?")[0]
        return f"{self._told('x-forwarded-proto')}://{host}{path}"

    def header(self, name: str) -> Sequence[str]:
        """Every value of a header."""
        octets = name.encode()
        return [value.decode("latin-1") for found, value in self._headers if found == octets]

    def _told(self, name: str) -> str:
        """What a proxy says, once: a header that is there twice is partly the client's."""
        values = self.header(name) if self._is_told else ()
        return values[0] if len(values) == 1 else ""
