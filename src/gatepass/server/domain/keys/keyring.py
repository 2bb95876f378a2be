"""The keys in use: the one that signs, those that verify, and the secret of the refresh tokens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from gatepass.jose import Key, KeySet
from gatepass.server.base.errors import StartupError
from gatepass.server.domain.keys.schedule import StoredKey, is_symmetric, line, still_proves_hints, still_verifies
from gatepass.server.domain.keys.signer import GuardedSigner, LocalSigner
from gatepass.tokens.refresh_token import KEY_ID_BYTES, RefreshKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.keys.schedule import Use
    from gatepass.server.domain.keys.signer import OutsideKey, Signer

    Outside = Sequence[OutsideKey]
    """The keys of outside signers that this process can use."""

_REFRESH_SECRET_BYTES = 32


class KeyRing:
    """The stored keys, decrypted, at one moment. Replaced when they change."""

    def __init__(self, stored: list[StoredKey], data_key: DataKey, now: float, outside: Outside = ()) -> None:
        every = {
            row: Key.from_jwk(data_key.unseal(row.sealed, row.kid))
            for row in stored
            if row.use != "refresh" and (still_verifies(row, now) or still_proves_hints(row, now))
        }
        opened = {row: key for row, key in every.items() if still_verifies(row, now)}
        self.signing_key = opened[line(stored, "sig")[0]]
        self.newest_key = opened[line(stored, "sig")[-1]]
        self.signer = _signer(self.signing_key, outside)
        # Status lists, snapshots, events and heartbeats: a thief of the tokens' key can revoke nothing.
        self.document_signer: Signer = LocalSigner(opened[line(stored, "documents")[0]])
        self.document_kids = frozenset(row.kid for row in opened if row.use == "documents")
        separate = [LocalSigner(opened[row]) for row in line(stored, "id_token")[:1]]
        self._id_token_signers: list[Signer] = [*separate, *([] if is_symmetric(self.signer.alg) else [self.signer])]
        self._has_separate_id_token_key = bool(separate)
        self.hints = KeySet(
            [key.public() for row, key in every.items() if still_proves_hints(row, now) and not is_symmetric(row.alg)]
        )
        tokens = [key for row, key in opened.items() if row.use == "sig"]
        self.verification = KeySet([key if is_symmetric(key.alg) else key.public() for key in tokens])
        self.published = KeySet([key.public() for key in opened.values() if not is_symmetric(key.alg)])
        self.refresh_keys = {
            bytes.fromhex(key.kid): RefreshKey(bytes.fromhex(key.kid), data_key.unseal(key.sealed, key.kid))
            for key in reversed(stored)
            if key.use == "refresh"
        }
        self.refresh_key = next(reversed(self.refresh_keys.values()))

    def id_token_signer(self, alg: str) -> Signer | None:
        """The signer of ID tokens with this algorithm: the access tokens' key or a separate one; None without any."""
        return next((signer for signer in reversed(self._id_token_signers) if signer.alg == alg), None)

    def default_id_token_signer(self, alg: str) -> Signer | None:
        """The signer for clients that have registered no algorithm, where `alg` is set.

        If there is a separate key, it is that one: a key of another algorithm waits until every verifier can know it.
        """
        return self._id_token_signers[0] if self._has_separate_id_token_key else self.id_token_signer(alg)


class LiveKeys:
    """The current key ring, replaced as a whole when the stored keys change. Read `current` at each use."""

    def __init__(self, stored: list[StoredKey], data_key: DataKey, now: float, outside: Outside = ()) -> None:
        self._data_key = data_key
        self._outside = outside
        self._stored = stored
        self._rows = _in_force(stored, now)
        self.current = KeyRing(stored, data_key, now, outside)

    def update(self, stored: list[StoredKey], now: float) -> bool:
        """Load the stored keys; return whether anything changed."""
        self._stored = stored
        rows = _in_force(stored, now)
        if rows == self._rows:
            return False
        self.current = KeyRing(stored, self._data_key, now, self._outside)
        self._rows = rows
        return True

    def pass_time(self, now: float) -> bool:
        """Let go of keys that are too old by now, which no change in the store tells; return whether any was."""
        return self.update(self._stored, now)


def _in_force(stored: list[StoredKey], now: float) -> list[tuple[StoredKey, bool, bool]]:
    """The keys of a ring, and what each may still be used for."""
    found = [(key, still_verifies(key, now), still_proves_hints(key, now)) for key in stored]
    return [each for each in found if any(each[1:])]


def _signer(key: Key, outside: Outside) -> Signer:
    if key.is_private:
        return LocalSigner(key)
    for each in outside:
        if each.signer.kid == key.kid:
            return GuardedSigner(each.signer, each.public_key)
    raise StartupError(
        f"The signing key {key.kid} is in an outside signer, which is not configured.",
        "Configure its signer (`outside_keys`), or switch to a key in the database: gatepass key rotate --now",
    )


def outside_key_row(key: OutsideKey, data_key: DataKey) -> StoredKey:
    """The stored row of an outside signer's key. It is sealed, so that it cannot be replaced by another.

    Raises:
        StartupError: when signer and public key do not belong together, or the key is none to sign with.
    """
    signer, public = key.signer, key.public_key
    if (signer.kid, signer.alg) != (public.kid, public.alg) or public.is_private:
        raise StartupError(
            f"The signer {signer.kid} ({signer.alg}) does not match the public key {public.kid} ({public.alg}).",
            "Give both the same `kid` and `alg`, and no private key.",
        )
    sealed = data_key.seal(msgspec.json.encode(public.to_jwk()), signer.kid)
    return StoredKey(
        kid=signer.kid, use="sig", alg=signer.alg, sealed=sealed, created_at=0, signs_from=0, held="outside"
    )


def new_signing_key(alg: str, data_key: DataKey, now: float = 0, *, use: Use = "sig") -> StoredKey:
    """Make a signing key that signs from `now`; an RSA key takes some tenths of a second."""
    key = Key.generate(alg)
    kid = key.thumbprint()
    sealed = data_key.seal(msgspec.json.encode(key.to_jwk(private=True)), kid)
    return StoredKey(kid=kid, use=use, alg=alg, sealed=sealed, created_at=now, signs_from=now)


def new_refresh_key(data_key: DataKey, now: float = 0) -> StoredKey:
    """Make a secret for refresh tokens."""
    kid = os.urandom(KEY_ID_BYTES).hex()
    sealed = data_key.seal(os.urandom(_REFRESH_SECRET_BYTES), kid)
    return StoredKey(kid=kid, use="refresh", alg="HS256", sealed=sealed, created_at=now, signs_from=now)
