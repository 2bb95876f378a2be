"""What a person has allowed a client, remembered so that they are not asked each time."""

from __future__ import annotations

from typing import Protocol

import msgspec

from gatepass.server.domain.sessions.authorization_request import OFFLINE_ACCESS


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """A consent. `given_at` in seconds since 1970.

    `client_name` and `host` are what the person was shown: when either is another, they are asked again.
    """

    user_id: str
    client_id: str
    client_name: str
    host: str
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    given_at: float

    def covers(self, scope: tuple[str, ...], resource: tuple[str, ...]) -> bool:
        """Whether nothing more is asked for. Offline access alone is no reason to ask again: it is left out then."""
        return set(scope) - {OFFLINE_ACCESS} <= set(self.scope) and set(resource) <= set(self.resource)

    def was_shown(self, client_name: str, host: str) -> bool:
        """Whether this is the name, and the place that people are sent to, that the person has seen."""
        return (self.client_name, self.host) == (client_name, host)

    def joined(self, earlier: Consent | None, *, asked: tuple[str, ...]) -> Consent:
        """With what was allowed before to the same client, as long as that is the one that people know.

        Of what they were asked now, the answer of now counts: a scope that they have unticked is not allowed any more.
        """
        if earlier is None or not earlier.was_shown(self.client_name, self.host):
            return self
        return msgspec.structs.replace(
            self,
            scope=tuple(dict.fromkeys((*(each for each in earlier.scope if each not in asked), *self.scope))),
            resource=tuple(dict.fromkeys((*earlier.resource, *self.resource))),
        )


class Consents(Protocol):
    """Where consents are kept, one for each person and client."""

    async def of(self, user_id: str, client_id: str) -> Consent | None:
        """The person's consent to the client."""
        ...

    async def put(self, consent: Consent) -> None:
        """Keep a consent in the place of the one before."""
        ...

    async def withdraw(self, user_id: str, client_id: str) -> bool:
        """Forget a consent; False when there is none."""
        ...

    async def all_of(self, user_id: str) -> list[Consent]:
        """A person's consents, the latest first."""
        ...

    async def remove_all_of(self, user_id: str) -> None:
        """Forget a person's consents."""
        ...

    async def remove_all_of_client(self, client_id: str) -> None:
        """Forget the consents to a client."""
        ...
