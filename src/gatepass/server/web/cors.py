"""Which origins' pages may call the API, by the Fetch standard (CORS). Public documents are open to all."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gatepass.server.web.browser import origin_of
from gatepass.server.web.parsing import header
from gatepass.server.web.refused_origins import RefusedOrigins

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatepass.server.base.settings import Settings

Headers: TypeAlias = list[tuple[bytes, bytes]]

_PREFLIGHT_SECONDS = 600
OPEN_TO_PAGES: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"WWW-Authenticate, DPoP-Nonce, Retry-After, X-Request-Id"),
]
"""Of calls that any page may make from a browser, since applications without a server of their own make them."""


class Cors:
    """`cors_origins` may call with a bearer token, `browser_origins` with the refresh cookie as well."""

    def __init__(self, settings: Settings, refused: RefusedOrigins | None = None) -> None:
        self._own = origin_of(settings.issuer_url)
        self._with_bearer = frozenset(settings.cors_origins)
        self._with_cookie = frozenset(settings.browser_origins)
        self._answers_differ = bool(self._with_bearer or self._with_cookie)
        self._refused = refused or RefusedOrigins()

    def headers_for(self, request: Request) -> Headers:
        """The headers that let the calling page read the answer, if it may."""
        origin = header(request, b"origin") or ""
        headers: Headers = [(b"vary", b"Origin")] if self._answers_differ else []
        if origin in self._with_bearer or origin in self._with_cookie:
            headers += [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-expose-headers", b"WWW-Authenticate, DPoP-Nonce, Retry-After, X-Request-Id"),
            ]
        elif origin and origin != self._own:
            self._refused.tell(origin, request)
        if origin in self._with_cookie:
            headers.append((b"access-control-allow-credentials", b"true"))
        return headers

    def preflight(self, methods: tuple[str, ...]) -> dict[str, str]:
        """The headers that answer a preflight, beside `headers_for`."""
        return {
            "access-control-allow-methods": ", ".join(methods),
            "access-control-allow-headers": "Authorization, Content-Type, DPoP, Gatepass-Request, Idempotency-Key",
            "access-control-max-age": str(_PREFLIGHT_SECONDS),
        }
