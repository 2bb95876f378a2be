"""Checking a second factor: a code, a recovery code or a passkey. Each proof is accepted once.

It takes two steps. First, everything that can be computed is. Then, inside the transaction of the sign-in or change,
the store decides the rest: whether a code or challenge was already used, and whether a passkey's counter has gone up.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials import recovery_codes
from gatepass.server.domain.credentials.passkeys.challenge import new_challenge, read_challenge
from gatepass.server.domain.credentials.passkeys.relying_party import (
    challenge_in,
    credential_id_in,
    invalid_passkey,
)
from gatepass.server.domain.credentials.totp import step_of
from gatepass.server.domain.events.recording import record

if TYPE_CHECKING:
    from gatepass.server.domain.credentials.passkeys.challenge import Answered, Ceremony
    from gatepass.server.domain.credentials.passkeys.passkey import Passkey
    from gatepass.server.domain.credentials.passkeys.relying_party import (
        Asserted,
        Json,
        RegisteredPasskey,
        RelyingParty,
    )
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.ports import Database, Transaction

ANY_USER = ""
"""The party of a sign-in challenge: the user is not known before the answer."""

Reason: TypeAlias = Literal["wrong_code", "code_used", "unknown_passkey", "challenge_used", "counter_went_back"]
"""Why a factor was refused, for the event log; the user is told less."""


class CodeClaim(Confidential, frozen=True):
    """A code of an authenticator app, or a recovery code."""

    code: str
    is_recovery_code: bool


class PasskeyClaim(Confidential, frozen=True, kw_only=True):
    """A passkey whose signature was verified."""

    passkey: Passkey
    asserted: Asserted
    answered: Answered


Claim: TypeAlias = CodeClaim | PasskeyClaim


class FactorProven(msgspec.Struct, frozen=True):
    """The factor was proved; `amr` as in RFC 8176."""

    amr: tuple[str, ...]


class FactorRefused(msgspec.Struct, frozen=True):
    """The factor is refused."""

    reason: Reason


class FactorProofs:
    """Checks factors."""

    def __init__(self, database: Database, data_key: DataKey, relying_party: RelyingParty) -> None:
        self._database = database
        self._data_key = data_key
        self._relying_party = relying_party
        self._challenge_key = data_key.derive("passkey challenges")
        self._recovery_key = data_key.derive("recovery codes")

    # ── passkeys ──

    @property
    def knows_passkeys(self) -> bool:
        """Whether passkeys are available on this server."""
        return self._relying_party.is_possible

    async def request_options(self, ceremony: Ceremony, party: str, *, user_id: str = "") -> Json:
        """Options for using a passkey: one of this user's, or any if no user is given."""
        self._relying_party.require()
        await _load_webauthn()

        async def unit(tx: Transaction) -> tuple[list[Passkey], float]:
            return await tx.passkeys.of(user_id), tx.now

        allowed, now = await self._database.read(unit)
        challenge = new_challenge(self._challenge_key, ceremony, party, now)
        return self._relying_party.request_options(challenge, allowed=allowed)

    async def creation_options(self, ceremony: Ceremony, party: str, *, user_id: str, email: str) -> Json:
        """Options for creating a passkey, on a device that holds none of this user's."""
        self._relying_party.require()
        await _load_webauthn()

        async def unit(tx: Transaction) -> tuple[list[Passkey], float]:
            return await tx.passkeys.of(user_id), tx.now

        known, now = await self._database.read(unit)
        challenge = new_challenge(self._challenge_key, ceremony, party, now)
        return self._relying_party.creation_options(challenge, user_id=user_id, email=email, known=known)

    async def register(self, credential: Json, ceremony: Ceremony, party: str) -> tuple[RegisteredPasskey, Answered]:
        """Verify a new passkey. The caller marks the challenge as used.

        Raises:
            Refusal: `invalid_passkey`.
        """
        self._relying_party.require()
        await _load_webauthn()
        challenge = challenge_in(credential)
        answered = read_challenge(self._challenge_key, ceremony, party, challenge, await self._now())
        if answered is None:
            raise invalid_passkey()
        return self._relying_party.register(credential, challenge), answered

    async def passkey_claim(self, credential: Json, ceremony: Ceremony, party: str) -> PasskeyClaim:
        """Verify the use of a passkey, as far as that can be computed.

        Raises:
            Refusal: `invalid_passkey`.
        """
        self._relying_party.require()
        await _load_webauthn()
        challenge, credential_id = challenge_in(credential), credential_id_in(credential)

        async def unit(tx: Transaction) -> tuple[Passkey | None, float]:
            return await tx.passkeys.by_credential(credential_id), tx.now

        passkey, now = await self._database.read(unit)
        answered = read_challenge(self._challenge_key, ceremony, party, challenge, now)
        if passkey is None or answered is None:
            raise invalid_passkey()
        asserted = self._relying_party.verify(credential, challenge, passkey)
        return PasskeyClaim(passkey=passkey, asserted=asserted, answered=answered)

    # ── any factor ──

    async def read(
        self,
        *,
        code: str | None,
        recovery_code: str | None,
        passkey: dict[str, Any] | None,
        ceremony: Ceremony,
        party: str,
    ) -> Claim:
        """Read the one factor that was sent.

        Raises:
            Refusal: `invalid_body` when it is not one, or `invalid_passkey`.
        """
        match (code, recovery_code, passkey):
            case (str(), None, None):
                return CodeClaim(code, is_recovery_code=False)
            case (None, str(), None):
                return CodeClaim(recovery_code, is_recovery_code=True)
            case (None, None, dict()):
                return await self.passkey_claim(passkey, ceremony, party)
            case _:
                raise Refusal("invalid_body", "Send one of `code`, `recovery_code` and `passkey`.")

    async def consume(self, tx: Transaction, user_id: str, claim: Claim, where: Origin) -> FactorProven | FactorRefused:
        """Mark the proof as used, and say whether it was valid."""
        if isinstance(claim, PasskeyClaim):
            return await self._consume_passkey(tx, user_id, claim, where)
        if claim.is_recovery_code:
            return await self._consume_recovery_code(tx, user_id, claim.code, where)
        return await self._consume_totp(tx, user_id, claim.code)

    def recovery_digests(self, user_id: str, codes: tuple[str, ...]) -> list[bytes]:
        """The stored digests of recovery codes."""
        return [recovery_codes.digest_of(self._recovery_key, user_id, code) for code in codes]

    async def _consume_totp(self, tx: Transaction, user_id: str, code: str) -> FactorProven | FactorRefused:
        secret = await tx.totp.of(user_id)
        if secret is None or secret.confirmed_at is None:
            return FactorRefused("wrong_code")
        step = step_of(self._data_key.unseal(secret.sealed, totp_context(user_id)), code, tx.now)
        if step is None:
            return FactorRefused("wrong_code")
        return FactorProven(("otp",)) if await tx.totp.use(user_id, step) else FactorRefused("code_used")

    async def _consume_recovery_code(
        self, tx: Transaction, user_id: str, code: str, where: Origin
    ) -> FactorProven | FactorRefused:
        (digest,) = self.recovery_digests(user_id, (code,))
        if not await tx.recovery_codes.use(user_id, digest):
            return FactorRefused("wrong_code")
        await record(tx, "recovery_code_used", user_id, where=where)
        return FactorProven(("otp",))

    @staticmethod
    async def _consume_passkey(
        tx: Transaction, user_id: str, claim: PasskeyClaim, where: Origin
    ) -> FactorProven | FactorRefused:
        passkey = claim.passkey
        if passkey.user_id != user_id or await tx.passkeys.by_credential(passkey.credential_id) is None:
            return FactorRefused("unknown_passkey")
        if not await tx.used_once.use("passkey_challenge", claim.answered.id, expires_at=claim.answered.expires_at):
            return FactorRefused("challenge_used")
        if not await tx.passkeys.use(
            passkey.id, sign_count=claim.asserted.sign_count, is_backed_up=claim.asserted.is_backed_up, now=tx.now
        ):
            await record(tx, "passkey_counter_went_back", user_id, actor="", where=where)
            return FactorRefused("counter_went_back")
        return FactorProven(passkey.amr)

    async def _now(self) -> float:
        async def unit(tx: Transaction) -> float:
            return tx.now

        return await self._database.read(unit)


def totp_context(user_id: str) -> str:
    """The context that a secret is sealed for: this user."""
    return f"totp {user_id}"


async def _load_webauthn() -> None:
    """Import the library in a thread the first time, because that takes 160 ms."""
    if "webauthn" not in sys.modules:
        await asyncio.to_thread(importlib.import_module, "webauthn")
