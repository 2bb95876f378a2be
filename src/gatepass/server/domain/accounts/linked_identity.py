"""A connected account at another site: what the site says about the user, and the account here that it opens."""

from __future__ import annotations

from typing import Protocol

from gatepass.server.base.confidential import Confidential

MOST_PER_PERSON = 20


class Claimed(Confidential, frozen=True, kw_only=True):
    """What a provider proved about a user. The address is spelled as by the provider, and empty if it names none.

    `issuer` and `subject` together identify an account permanently (OpenID Connect Core §5.7); an email address can
    change owners.
    """

    provider: str
    issuer: str
    subject: str
    email: str
    email_is_verified: bool


class Identity(Confidential, frozen=True, kw_only=True):
    """A provider's account that opens one here. Times in seconds since 1970; `email` is only for display."""

    id: str
    user_id: str
    provider: str
    issuer: str
    subject: str
    email: str
    created_at: float
    used_at: float | None


class Identities(Protocol):
    """The store of connected accounts; each belongs to at most one account here."""

    async def add(self, identity: Identity) -> bool:
        """Add it; False if that account is already connected, and then nothing is written."""
        ...

    async def find(self, issuer: str, subject: str) -> Identity | None:
        """Find by issuer and subject."""
        ...

    async def of(self, user_id: str) -> list[Identity]:
        """A user's, in the order in which they were connected."""
        ...

    async def use(self, identity_id: str, *, email: str, now: float) -> None:
        """Record that it was used to sign in, and its current address."""
        ...

    async def remove(self, identity_id: str, user_id: str) -> Identity | None:
        """Disconnect one of a user's; None if the user has no such. One statement decides."""
        ...

    async def remove_all_of(self, user_id: str) -> None:
        """Disconnect all of a user's."""
        ...
