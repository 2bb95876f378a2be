"""The transmitter's configuration (Shared Signals Framework 1.0 §7.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.keys.jwks import JWKS_PATH
from gatepass.server.domain.shared_signals.stream import METHODS

if TYPE_CHECKING:
    from gatepass.server.web.metadata import Metadata

WELL_KNOWN = "/.well-known/ssf-configuration"
STREAMS = "/ssf/streams"
STATUS = "/ssf/status"
ADD_SUBJECT = "/ssf/subjects/add"
REMOVE_SUBJECT = "/ssf/subjects/remove"
VERIFICATION = "/ssf/verification"
POLL_PREFIX = "/ssf/poll/"


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
