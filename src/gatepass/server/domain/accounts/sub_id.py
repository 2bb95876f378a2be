"""Subject identifiers (RFC 9493 §3.2): how another system names a person of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.accounts.user import normalise_email

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.ports import Transaction


class EmailSubject(
    Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format", tag="email"
):
    """The current address of an account, verified: an address can change owners (RFC 9493 §3.2.2)."""

    email: str

    async def find(self, tx: Transaction, _issuer: str) -> User | None:
        """The user whose address it is, if it was verified: one that was only typed names no one."""
        if not self.email.isprintable():  # not every database takes other text
            return None
        user = await tx.users.by_email(normalise_email(self.email))
        return None if user is None or user.email_verified_at is None else user


class IssuerSubject(
    Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format", tag="iss_sub"
):
    """A `sub` at an issuer: this server, or a provider at which the account is connected (RFC 9493 §3.2.3)."""

    iss: str
    sub: str

    async def find(self, tx: Transaction, issuer: str) -> User | None:
        """The user whose id at this server it is, or who has connected that account of the provider."""
        if self.iss == issuer:
            return await OpaqueSubject(id=self.sub).find(tx, issuer)
        if not (self.iss + self.sub).isprintable():
            return None
        identity = await tx.identities.find(self.iss, self.sub)
        return None if identity is None else await tx.users.by_id(identity.user_id)


class OpaqueSubject(
    Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format", tag="opaque"
):
    """The id of an account at this server (RFC 9493 §3.2.4)."""

    id: str

    async def find(self, tx: Transaction, _issuer: str) -> User | None:
        """The user of the id."""
        return await tx.users.by_id(self.id) if self.id.isprintable() else None


SubjectIdentifier: TypeAlias = EmailSubject | IssuerSubject | OpaqueSubject
"""One of the formats; others are refused."""
