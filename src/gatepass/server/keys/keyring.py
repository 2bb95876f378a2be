"""The keys in force: one that signs, those whose tokens may still be alive, and the secret of the refresh tokens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from gatepass.jose import Key, KeySet
from gatepass.server.keys.signer import LocalSigner
from gatepass.tokens.access_token import MAX_LIFETIME
from gatepass.tokens.refresh_token import KEY_ID_BYTES, RefreshKey

if TYPE_CHECKING:
    from gatepass.server.keys.master_key import MasterKey
    from gatepass.server.keys.signer import Signer

PUBLISHED_AFTER_RETIREMENT = MAX_LIFETIME + 300
"""Seconds for which a retired key still verifies: the longest life of a token, and time for clocks that differ."""

_REFRESH_SECRET_BYTES = 32


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as the database keeps it: the private part sealed under the master key. Times in seconds since 1970."""

    kid: str
    use: Literal["sig", "documents", "refresh"]
    alg: str
    sealed: bytes
    created_at: float
    retired_at: float | None = None

    def __repr__(self) -> str:
        """Show what is public."""
        return f"StoredKey(kid={self.kid!r}, use={self.use!r}, alg={self.alg!r}, retired_at={self.retired_at})"


class StoredKeys(Protocol):
    """Where the server's keys are kept."""

    async def all(self) -> list[StoredKey]:
        """Every key, newest first."""
        ...

    async def add(self, key: StoredKey) -> None:
        """Keep a new key."""
        ...

    async def retire_signing(self, now: float) -> None:
        """Retire every signing key that is not retired yet."""
        ...


class KeyRing:
    """A view of the stored keys at one moment, opened. Made anew when they change."""

    def __init__(self, stored: list[StoredKey], master: MasterKey, now: float) -> None:
        opened = {
            row: Key.from_jwk(master.unseal(row.sealed, row.kid))
            for row in stored
            if row.use != "refresh" and still_verifies(row, now)
        }
        self.signing_key = next(key for row, key in opened.items() if signs(row))
        self.signer: Signer = LocalSigner(self.signing_key)
        self.document_signer = self._document_signer(opened)
        tokens = [key for row, key in opened.items() if row.use == "sig"]
        self.verification = KeySet([key if is_symmetric(key.alg) else key.public() for key in tokens])
        self.published = KeySet([key.public() for key in opened.values() if not is_symmetric(key.alg)])
        self.refresh_keys = {
            bytes.fromhex(key.kid): RefreshKey(bytes.fromhex(key.kid), master.unseal(key.sealed, key.kid))
            for key in reversed(stored)
            if key.use == "refresh"
        }
        self.refresh_key = next(reversed(self.refresh_keys.values()))

    def _document_signer(self, opened: dict[StoredKey, Key]) -> Signer:
        """Who signs status lists and events: the tokens' signer, unless that key is a secret that an API shares."""
        if not is_symmetric(self.signing_key.alg):
            return self.signer
        return LocalSigner(
            next(key for row, key in opened.items() if row.use == "documents" and row.retired_at is None)
        )


class LiveKeys:
    """The key ring in force, replaced as a whole when the stored keys change. `current` is read at each use."""

    def __init__(self, stored: list[StoredKey], master: MasterKey, now: float) -> None:
        self._master = master
        self._rows = _in_force(stored, now)
        self.current = KeyRing(stored, master, now)

    def update(self, stored: list[StoredKey], now: float) -> bool:
        """Take over what is stored now; whether that changed anything."""
        rows = _in_force(stored, now)
        if rows == self._rows:
            return False
        self.current = KeyRing(stored, self._master, now)
        self._rows = rows
        return True


def _in_force(stored: list[StoredKey], now: float) -> list[StoredKey]:
    return [key for key in stored if still_verifies(key, now)]


def is_symmetric(alg: str) -> bool:
    """Whether the algorithm's key is a shared secret, which no JWKS may ever hold."""
    return alg.startswith("HS")


def still_verifies(key: StoredKey, now: float) -> bool:
    """Whether a token that the key signed may be alive."""
    return key.retired_at is None or now < key.retired_at + PUBLISHED_AFTER_RETIREMENT


def new_signing_key(alg: str, master: MasterKey, now: float, *, use: Literal["sig", "documents"] = "sig") -> StoredKey:
    """Make a signing key; an RSA key takes some tenths of a second."""
    key = Key.generate(alg)
    kid = key.thumbprint()
    sealed = master.seal(msgspec.json.encode(key.to_jwk(private=True)), kid)
    return StoredKey(kid=kid, use=use, alg=alg, sealed=sealed, created_at=now)


def new_refresh_key(master: MasterKey, now: float) -> StoredKey:
    """Make a secret for refresh tokens."""
    kid = os.urandom(KEY_ID_BYTES).hex()
    sealed = master.seal(os.urandom(_REFRESH_SECRET_BYTES), kid)
    return StoredKey(kid=kid, use="refresh", alg="HS256", sealed=sealed, created_at=now)


def signs(key: StoredKey) -> bool:
    """Whether new tokens are signed with it."""
    return key.use == "sig" and key.retired_at is None
