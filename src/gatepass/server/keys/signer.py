"""Signing as a port: the key may be here, or behind a network (KMS, PKCS#11), so it is awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gatepass.jose import Key


class Signer(Protocol):
    """Something that signs under one key with one algorithm."""

    @property
    def alg(self) -> str:
        """The JWS algorithm."""
        ...

    @property
    def kid(self) -> str:
        """The key's identifier in the JWKS."""
        ...

    async def sign(self, message: bytes) -> bytes:
        """Sign a JWS signing input; the answer is the signature's octets as RFC 7518 §3 lays them out."""
        ...


class LocalSigner:
    """Signs with a key in this process."""

    def __init__(self, key: Key) -> None:
        assert key.kid is not None
        self._key = key
        self.alg = key.alg
        self.kid = key.kid

    async def sign(self, message: bytes) -> bytes:
        """Sign at once."""
        return self._key.sign(message)
