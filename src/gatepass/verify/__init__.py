"""The SDK in the user's API process: a token in, a `Principal` out.

Importing it loads no framework and no HTTP client.
"""

from gatepass.jose.errors import JoseError

from . import errors
from .challenge import Challenge, challenge
from .dpop import DPoP, DPoPPolicy
from .following.health import Health
from .guard import Cookie
from .introspect import Introspector
from .issuer import Fetched, FetchError
from .organization import PrincipalOrganization
from .principal import Principal
from .resource import Resource
from .verifier import AnyOf, Verifier

__all__ = [
    "AnyOf",
    "Challenge",
    "Cookie",
    "DPoP",
    "DPoPPolicy",
    "FetchError",
    "Fetched",
    "Health",
    "Introspector",
    "JoseError",
    "Principal",
    "PrincipalOrganization",
    "Resource",
    "Verifier",
    "challenge",
    "errors",
]
