"""The last step of every way to sign in, after a first factor was proved: by password, email, passkey or another site.

If the user has a second factor and the first proof does not already count as two, the answer is a challenge instead of
a session. It holds the state of the sign-in, sealed, so nothing is stored until it is used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.factors import FactorKind  # noqa: TC001 - msgspec reads the annotations
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.keys.sealed_box import SealedBox
from gatepass.server.domain.organizations.joining import check_way_in
from gatepass.server.domain.sessions.dpop import use_proof
from gatepass.server.domain.sessions.open import Opened, open_session, password_digest
from gatepass.server.domain.sessions.session import TWO_FACTORS
from gatepass.server.domain.sessions.token_request import TokenRequest  # noqa: TC001 - as above

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.domain.sessions.open import Authentication

CHALLENGE_SECONDS = 300


_ID_BYTES = 16


class Pending(Confidential, frozen=True, kw_only=True):
    """A sign-in that waits for its second factor. `password` is a digest of the account's password hash at that time.

    A new password invalidates the challenge, as it ends the sessions.
    """

    id: str
    user_id: str
    token_request: TokenRequest
    amr: tuple[str, ...]
    password: bytes
    expires_at: float


class FactorDue(Confidential, frozen=True, kw_only=True):
    """A second factor is required; `expires_in` in seconds."""

    challenge: str
    factors: tuple[FactorKind, ...]
    expires_in: int
    in_cookie: bool


LoginResult: TypeAlias = Opened | FactorDue


class LoginCompletion:
    """Opens a session after the first factor, or seals a challenge if a second one is required."""

    def __init__(self, data_key: DataKey, settings: Settings) -> None:
        self._challenges = SealedBox(Pending, data_key, "second factor")
        self._max_seconds = settings.session_max_seconds

    async def complete(  # noqa: PLR0913 - what a session is made of, and the device
        self,
        tx: Transaction,
        user: User,
        *,
        token_request: TokenRequest,
        proof: Authentication,
        status: StatusIndex,
        device: str,
    ) -> LoginResult | Refusal:
        """Open a session, or require the second factor. `device` is the cookie value of a trusted device.

        Refused as `check_way_in`, or as `open_session`.
        """
        if token_request.proof is not None and (refused := await use_proof(tx, token_request.proof)):
            return refused
        if refused := await check_way_in(tx, user, proof.provider):
            await record(tx, "sign_in_refused", user.id, actor="", reason=refused.code, where=proof.where)
            return refused
        factors = await tx.factors.of(user.id)
        is_enough = proof.acr == TWO_FACTORS or not factors.are_asked
        if not is_enough and (token_request.is_for_operator or not await self._is_remembered(tx, user, device)):
            pending = Pending(
                id=os.urandom(_ID_BYTES).hex(),
                user_id=user.id,
                token_request=msgspec.structs.replace(token_request, proof=None),
                amr=proof.amr,
                password=await password_digest(tx, user.id),
                expires_at=tx.now + CHALLENGE_SECONDS,
            )
            return FactorDue(
                challenge=self._challenges.seal(pending),
                factors=factors.kinds,
                expires_in=CHALLENGE_SECONDS,
                in_cookie=token_request.cookie,
            )
        return await open_session(
            tx, user, token_request=token_request, proof=proof, status=status, max_seconds=self._max_seconds
        )

    @staticmethod
    async def _is_remembered(tx: Transaction, user: User, device: str) -> bool:
        return bool(device) and await tx.devices.knows(user.id, digest_of(device), tx.now)

    def read(self, challenge: str, now: float) -> Pending:
        """Decrypt a challenge.

        Raises:
            Refusal: `invalid_challenge`, when it is not one of ours, or too old.
        """
        pending = self._challenges.open(challenge)
        if pending is None or pending.expires_at <= now:
            raise invalid_challenge()
        return pending


def invalid_challenge() -> Refusal:
    """The one refusal for every invalid challenge."""
    return Refusal(
        "invalid_challenge", "The challenge has expired, was already used or belongs to another browser: sign in again."
    )
