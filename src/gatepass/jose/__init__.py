"""JSON Object Signing and Encryption: keys, signatures, encryption and JSON Web Tokens.

This layer has no clock of its own, does no I/O and knows no framework. Every failure is a `JoseError` with a stable
`code`.
"""

from . import errors, jwe, jws, jwt
from .errors import JoseError
from .keys import Key, KeySet
from .limits import Limits

__all__ = ["JoseError", "Key", "KeySet", "Limits", "errors", "jwe", "jws", "jwt"]
