"""The host by which a client's pairwise names of people are made (OpenID Connect Core 1.0 §8.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from gatepass.server.domain.sessions.client_metadata import ClientMetadata


def sector_of(metadata: ClientMetadata, client_id: str) -> str:
    """The host of the redirect URIs, which are of one then, or of the document that lists them.

    Empty for a client with public names; a client whose redirect URIs have no host is a sector of its own.
    """
    if metadata.subject_type == "public":
        return ""
    uris = (metadata.sector_identifier_uri,) if metadata.sector_identifier_uri else metadata.redirect_uris
    return next(iter(_hosts(uris)), client_id)


def check_sector(metadata: ClientMetadata) -> None:
    """See that there is one sector: redirect URIs of several hosts need a document that lists them.

    Raises:
        Refusal: `invalid_client_metadata`.
    """
    if metadata.sector_identifier_uri and urlsplit(metadata.sector_identifier_uri).scheme != "https":
        raise _invalid("The sector_identifier_uri is an https URL.")
    if (
        metadata.subject_type == "pairwise"
        and not metadata.sector_identifier_uri
        and len(_hosts(metadata.redirect_uris)) > 1
    ):
        raise _invalid("Redirect URIs of several hosts need a sector_identifier_uri, whose document lists them.")


def check_sector_document(metadata: ClientMetadata, document: bytes) -> None:
    """See that the document at the `sector_identifier_uri` lists every redirect URI (Registration 1.0 §5).

    Raises:
        Refusal: `invalid_client_metadata`.
    """
    try:
        listed = msgspec.json.decode(document, type=list[str])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _invalid("The document at the sector_identifier_uri is no JSON array of URLs.") from None
    if not set(metadata.redirect_uris) <= set(listed):
        raise _invalid("The document at the sector_identifier_uri does not list every redirect URI.")


def check_same_sector(before: ClientMetadata, after: ClientMetadata, client_id: str) -> None:
    """See that a client goes on to know the people whom it knows: elsewhere they would be strangers to it.

    Raises:
        Refusal: `invalid_client_metadata`.
    """
    if sector_of(before, client_id) != sector_of(after, client_id):
        raise _invalid("The client would know people by other names than before: register another one.")


def _hosts(uris: tuple[str, ...]) -> tuple[str, ...]:
    hosts = (urlsplit(uri).hostname for uri in uris)
    return tuple(dict.fromkeys(host for host in hosts if host))


def _invalid(why: str) -> Refusal:
    return Refusal("invalid_client_metadata", why)
