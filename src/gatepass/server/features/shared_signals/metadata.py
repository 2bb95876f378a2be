"""The transmitter's configuration (Shared Signals Framework 1.0 §7.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.settings.tokens import STREAM_MANAGE, STREAM_READ
from gatepass.server.domain.keys.jwks import JWKS_PATH
from gatepass.server.domain.sessions.operator import streams_audience
from gatepass.server.domain.shared_signals.stream import METHODS
from gatepass.tokens import dpop_proof

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.web.metadata import Metadata

WELL_KNOWN = "/.well-known/ssf-configuration"
STREAMS = "/ssf/streams"
STATUS = "/ssf/status"
ADD_SUBJECT = "/ssf/subjects/add"
REMOVE_SUBJECT = "/ssf/subjects/remove"
VERIFICATION = "/ssf/verification"
POLL_PREFIX = "/ssf/poll/"


def of_streams(settings: Settings) -> Metadata:
    """The calls about streams, as an API of their own that tokens are for (RFC 9728 §2)."""
    return {
        "resource": streams_audience(settings.issuer_url),
        "authorization_servers": (settings.issuer_url,),
        "scopes_supported": (STREAM_MANAGE, STREAM_READ),
        "bearer_methods_supported": ("header",),
        "dpop_signing_alg_values_supported": dpop_proof.ALGORITHMS,
        "resource_name": settings.site_name,
    }


def of_transmitter(issuer: str) -> Metadata:
    """The document; the scopes of its calls are those of the CAEP Interoperability Profile."""
    return {
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": issuer + JWKS_PATH,
        "delivery_methods_supported": METHODS,
        "configuration_endpoint": issuer + STREAMS,
        "status_endpoint": issuer + STATUS,
        "add_subject_endpoint": issuer + ADD_SUBJECT,
        "remove_subject_endpoint": issuer + REMOVE_SUBJECT,
        "verification_endpoint": issuer + VERIFICATION,
        "authorization_schemes": ({"spec_urn": "urn:ietf:rfc:6749"},),
        "default_subjects": "ALL",
    }
