"""The SDK in the user's API process: a token in, a `Principal` out.

Importing it loads no framework and no HTTP client.
"""

from gatepass.jose.errors import JoseError

from . import errors
from .challenge import Challenge, challenge
from .issuer import Fetched, FetchError
from .principal import Principal
from .revocation import Health
from .verifier import Verifier

__all__ = ["Challenge", "FetchError", "Fetched", "Health", "JoseError", "Principal", "Verifier", "challenge", "errors"]
