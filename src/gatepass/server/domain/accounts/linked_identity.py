"""An account at another site: what the site says of a person, and which of our accounts it belongs to."""

from __future__ import annotations

from typing import Protocol

from gatepass.server.base.confidential import Confidential

MOST_PER_PERSON = 20


class Claimed(Confidential, frozen=True, kw_only=True):
    """What a provider has proved to us of a person. The address is as it spells it, and empty where it names none.

    `issuer` and `subject` together name an account for good (OpenID Connect Core §5.7); an address may pass on.
    """

    provider: str
    issuer: str
    subject: str
    email: str
    email_is_verified: bool


class Identity(Confidential, frozen=True, kw_only=True):
    """An account elsewhere that opens one of ours. Times in seconds since 1970; `email` is only for showing."""

    id: str
    user_id: str
    provider: str
    issuer: str
    subject: str
    email: str
    created_at: float
    used_at: float | None


class Identities(Protocol):
    """Where they are kept; an account elsewhere belongs to at most one of ours."""

    async def add(self, identity: Identity) -> bool:
        """Keep it; False when that account is connected already, and then nothing is written."""
        ...

    async def find(self, issuer: str, subject: str) -> Identity | None:
        """Find by what names it."""
        ...

    async def of(self, user_id: str) -> list[Identity]:
        """A person's, in the order in which they were connected."""
        ...

    async def use(self, identity_id: str, *, email: str, now: float) -> None:
        """Note that it has opened the account, and the address that it has by now."""
        ...

    async def remove(self, identity_id: str, user_id: str) -> Identity | None:
        """Disconnect one of a person's; None when it is not theirs. One statement says which."""
        ...

    async def remove_all_of(self, user_id: str) -> None:
        """Disconnect all of a person's."""
        ...
