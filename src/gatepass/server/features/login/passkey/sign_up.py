"""The act of creating an account with a passkey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.user import User, normalise_email
from gatepass.server.domain.credentials.passkeys.passkey import Passkey
from gatepass.server.domain.credentials.passkeys.relying_party import invalid_passkey
from gatepass.server.domain.credentials.recovery_codes import new_codes
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.hooks.gates import create_account
from gatepass.server.domain.ports import decide

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.signup_rules import SignupRules
    from gatepass.server.domain.credentials.factor_proofs import FactorProofs
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def proofs(self) -> FactorProofs: ...
    @property
    def rules(self) -> SignupRules: ...
    @property
    def settings(self) -> Settings: ...


class SignupOptions(msgspec.Struct, frozen=True):
    """What `navigator.credentials.create` takes as `publicKey`, as JSON, and the id that the account will have."""

    id: str
    public_key: dict[str, Any]


class PasskeySignup(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The id and address that the options were for, and what `navigator.credentials.create` returned, as JSON.

    `captcha` and `proof` are as at `/signup`.
    """

    id: str
    email: str
    credential: dict[str, Any]
    proof: str | None = None
    captcha: str | None = None


class PasskeySignedUp(Confidential, frozen=True, kw_only=True):
    """The new account, and its recovery codes, which are shown only once."""

    id: str
    email: str
    recovery_codes: tuple[str, ...]


async def offer(needs: Needs, email: str) -> SignupOptions:
    """Options for the first passkey of a new account."""
    _check_open(needs)
    address, user_id = normalise_email(email), new_id("usr")
    needs.rules.check(address)
    party = f"{user_id} {address}"
    options = await needs.proofs.creation_options("sign_up", party, user_id=user_id, email=address)
    return SignupOptions(user_id, options)


async def sign_up(needs: Needs, call: Call, signup: PasskeySignup) -> PasskeySignedUp:
    """Create the account and its passkey; the challenge is bound to this pair of id and address."""
    _check_open(needs)
    address, where, codes = normalise_email(signup.email), call.origin, new_codes()
    needs.rules.check(address)
    await needs.rules.check_captcha(signup.captcha, where)
    await needs.rules.ask(address, where, proof=signup.proof)
    registered, answered = await needs.proofs.register(signup.credential, "sign_up", f"{signup.id} {address}")

    async def unit(tx: Transaction) -> PasskeySignedUp | Refusal:
        if not await tx.used_once.use("passkey_challenge", answered.id, expires_at=answered.expires_at):
            return invalid_passkey()
        if await tx.passkeys.by_credential(registered.credential_id) is not None:
            return Refusal("factor_exists", "This passkey is already registered.")
        if refused := await needs.rules.count(tx, address, where):
            return refused
        user = User(id=signup.id, email=address, created_at=tx.now)
        if refused := await create_account(tx, user, method="passkey", where=where):
            return refused
        passkey = Passkey(
            id=new_id("psk"),
            user_id=user.id,
            name="Passkey 1",
            created_at=tx.now,
            **msgspec.structs.asdict(registered),
        )
        await tx.passkeys.add(passkey)
        await tx.recovery_codes.replace(user.id, needs.proofs.recovery_digests(user.id, codes))
        await record(tx, "factor_added", user.id, reason="passkey", where=where)
        return PasskeySignedUp(id=user.id, email=address, recovery_codes=codes)

    return await decide(needs.database, unit)


def _check_open(needs: Needs) -> None:
    needs.rules.check_open()
    if needs.settings.mail == "smtp":
        raise Refusal("signup_by_mail_only", "Sign up by email first, then add a passkey.")
