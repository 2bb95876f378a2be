"""The signing port: the key may be local, or behind a network (KMS, PKCS#11), so signing is awaited."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.errors import Unavailable

if TYPE_CHECKING:
    from gatepass.jose import Key

SIGN_SECONDS = 5.0
"""Timeout of an outside signer. Clients give up after 15 s, and a request may wait for other things as well."""


class Signer(Protocol):
    """Signs with one key and one algorithm."""

    @property
    def alg(self) -> str:
        """The JWS algorithm."""
        ...

    @property
    def kid(self) -> str:
        """The key's identifier in the JWKS."""
        ...

    async def sign(self, message: bytes) -> bytes:
        """Sign a JWS signing input; return the signature's octets in the format of RFC 7518 §3."""
        ...


@dataclass(frozen=True)
class OutsideKey:
    """A key whose private part is elsewhere: its signer, and the public part for the JWKS."""

    signer: Signer
    public_key: Key


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


class GuardedSigner:
    """An outside signer with checks: it answers in time with a valid signature, or the caller gets a 503."""

    def __init__(self, signer: Signer, public_key: Key) -> None:
        self._signer = signer
        self._public_key = public_key
        self.alg = signer.alg
        self.kid = signer.kid

    async def sign(self, message: bytes) -> bytes:
        """Sign.

        Raises:
            Unavailable: `signer_unavailable`.
        """
        try:
            async with asyncio.timeout(SIGN_SECONDS):
                signature = await self._signer.sign(message)
            self._public_key.verify(message, signature)
        except Exception as error:
            # Only the error's type is logged: its text may hold more than a log should.
            raise Unavailable(
                "signer_unavailable",
                "The server's signing key cannot be reached: try again shortly.",
                private=f"the signer of {self.kid}: {type(error).__name__}",
                retry_after=5,
            ) from error
        return signature
