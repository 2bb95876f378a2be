"""The port of a provider, whatever protocol it uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.accounts.linked_identity import Claimed  # noqa: TC001 - msgspec reads the annotations of a struct

if TYPE_CHECKING:
    from collections.abc import Mapping


class Journey(Confidential, frozen=True, kw_only=True):
    """The values of one redirect to a provider, which come back or are matched with the answer.

    `verifier` is PKCE's (RFC 7636); `nonce` comes back in the ID token.
    """

    state: str
    nonce: str
    verifier: str
    redirect_uri: str


class ProvenIdentity(Confidential, frozen=True, kw_only=True):
    """What a provider proved. `once` is the id of the ID token, which must not be used again before `until`."""

    claimed: Claimed
    once: str
    until: float


class Provider(Protocol):
    """One provider. Its answers may be false, too long, too late or missing."""

    @property
    def id(self) -> str:
        """Its name in settings, paths and calls."""
        ...

    @property
    def name(self) -> str:
        """The name shown to users."""
        ...

    async def way_there(self, journey: Journey, now: float) -> str:
        """The URL to send a user's browser to.

        Raises:
            Unavailable: `provider_unavailable`.
        """
        ...

    async def redeem(self, answer: Mapping[str, str], journey: Journey, now: float) -> ProvenIdentity:
        """Exchange the code of an answer whose state was checked for the identity it proves.

        Raises:
            Refusal: `provider_denied` when the provider said no, `invalid_state` when the answer is another provider's,
                `invalid_id_token` when what it signs is not for us and now.
            Unavailable: `provider_unavailable`.
        """
        ...

    async def check_id_token(self, token: str, *, nonce: str | None, now: float) -> ProvenIdentity:
        """Check an ID token sent by an application. Raises as `redeem`."""
        ...
