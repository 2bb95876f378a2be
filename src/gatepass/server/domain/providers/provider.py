"""What the flows ask of a provider, whichever protocol it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.accounts.linked_identity import Claimed  # noqa: TC001 - msgspec reads the annotations of a struct

if TYPE_CHECKING:
    from collections.abc import Mapping


class Journey(Confidential, frozen=True, kw_only=True):
    """What goes with a person to the provider and must come back, or be matched by what does.

    `verifier` is of PKCE (RFC 7636), `nonce` comes back in the ID token.
    """

    state: str
    nonce: str
    verifier: str
    redirect_uri: str


class ProvenIdentity(Confidential, frozen=True, kw_only=True):
    """What a provider has proved. `once` names the ID token that did, which must not be used again before `until`."""

    claimed: Claimed
    once: str
    until: float


class Provider(Protocol):
    """One provider. Whatever it answers with may be a lie, too long, too late or nothing."""

    @property
    def id(self) -> str:
        """Its name in settings, paths and calls."""
        ...

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    async def way_there(self, journey: Journey, now: float) -> str:
        """The URL to send a person's browser to.

        Raises:
            Unavailable: `provider_unavailable`.
        """
        ...

    async def redeem(self, answer: Mapping[str, str], journey: Journey, now: float) -> ProvenIdentity:
        """Trade the code of the answer that a browser has brought, whose state was checked, for what it proves.

        Raises:
            Refusal: `provider_denied` when the provider said no, `invalid_state` when the answer is another provider's,
                `invalid_id_token` when what it signs is not for us and now.
            Unavailable: `provider_unavailable`.
        """
        ...

    async def check_id_token(self, token: str, *, nonce: str | None, now: float) -> ProvenIdentity:
        """Check an ID token that an application has been given. Raises as `redeem`."""
        ...
