"""An API's metadata (RFC 9728): who issues tokens for it, and how they are to be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens import dpop_proof

from .issuer import checked_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .dpop import DPoPPolicy

WELL_KNOWN = "/.well-known/oauth-protected-resource"


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """An API and its public URL; challenges then point to its metadata.

    Attributes:
        url: Its public URL, such as `https://api.example.com`, without query or fragment. DPoP proofs are compared
            with it, whatever a proxy does to requests.
        scopes: The scopes that clients may ask for.
        name: Its name for display.
        documentation: The URL of a page for developers.

    Raises:
        InvalidPolicyError: `url` is not an https URL (or http on loopback).
    """

    url: str
    scopes: tuple[str, ...] = ()
    name: str | None = None
    documentation: str | None = None

    def __post_init__(self) -> None:
        if checked_url(self.url, "url").query:
            raise InvalidPolicyError("url has a query")

    @property
    def origin(self) -> str:
        """Scheme and host."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def metadata_path(self) -> str:
        """Where the document is: the well-known part goes between host and path (RFC 9728 §3.1)."""
        return WELL_KNOWN + urlsplit(self.url).path.rstrip("/")

    @property
    def metadata_url(self) -> str:
        """The document's URL, as challenges write it (RFC 9728 §5.1)."""
        return self.origin + self.metadata_path

    def metadata(self, issuers: Sequence[str], dpop: DPoPPolicy) -> dict[str, Any]:
        """Write the document (RFC 9728 §2).

        Args:
            issuers: Who issues tokens for it.
            dpop: Which proofs it accepts.
        """
        every: dict[str, Any] = {
            "resource": self.url,
            "authorization_servers": list(issuers),
            "scopes_supported": list(self.scopes) or None,
            "bearer_methods_supported": ["header"],
            "resource_name": self.name,
            "resource_documentation": self.documentation,
            "dpop_signing_alg_values_supported": list(dpop_proof.ALGORITHMS),
            "dpop_bound_access_tokens_required": dpop.required or None,
        }
        return {name: value for name, value in every.items() if value is not None}
