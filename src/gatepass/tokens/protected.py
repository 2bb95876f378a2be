"""The protected headers of tokens of which there are many: encoded once for each key."""

from __future__ import annotations

from functools import lru_cache

from gatepass.jose import jws


@lru_cache(maxsize=32)
def protected_of(alg: str, typ: str, kid: str) -> str:
    """RFC 7515 §5.1 step 4: the encoded header of a token of this type, signed by the key of this name."""
    return jws.protected({"alg": alg, "typ": typ, "kid": kid})
