"""A grant: what one client holds of a session. It is what a refresh token refers to, and what a refresh moves on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from gatepass.server.domain.revocation.status_index import StatusIndex  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.sessions.logout_queue import Logout


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A client's hold on a session. Times in seconds since 1970.

    `jkt` is the thumbprint of the key that its tokens are bound to (RFC 9449); None for bearer tokens. `claims` is the
    JSON of the claims that were asked for one by one (OpenID Connect Core §5.5); empty where none were.
    `browser_session_id` is the browser's session in which an offline grant was given, by which its client knows the
    sign-in; empty where the grant hangs on that session itself. `organization_id` is the organization that its tokens
    name; empty for none.
    """

    id: str
    session_id: str
    user_id: str
    client_id: str
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    secret_digest: bytes
    current: int
    status: StatusIndex
    touched_at: float
    expires_at: float
    jkt: str | None = None
    claims: str = ""
    browser_session_id: str = ""
    organization_id: str = ""


class ActiveOrganization(msgspec.Struct, frozen=True, kw_only=True):
    """The organization that a token is for, of which the person is a member just now, and their roles there."""

    id: str
    slug: str
    name: str
    roles: tuple[str, ...]


class EndedGrant(msgspec.Struct, frozen=True):
    """A grant that has just ended: the status index that verifiers are told of, and what its client is told."""

    status: StatusIndex
    logout: Logout


class ActingOperator(msgspec.Struct, frozen=True):
    """An operator who acts in the person's name, and the status index of their own sign-in, which ends that too."""

    id: str
    status: StatusIndex


class TokenSubject(msgspec.Struct, frozen=True, kw_only=True):
    """What an access token says about the user and their sign-in, read in the same statement as the grant.

    `client_audience` and `client_scope` are what a registered client may have just now; None for the built-in one.
    `client_sector` is the host at which it knows people by pairwise names; empty where it knows them by ours.
    `organization` is that of the grant, while the person is a member.
    """

    user_id: str
    session_id: str
    client_id: str
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    roles: tuple[str, ...]
    auth_time: float
    acr: str
    amr: tuple[str, ...]
    status: StatusIndex
    expires_at: float
    jkt: str | None = None
    claims: str = ""
    browser_session_id: str = ""
    organization: ActiveOrganization | None = None
    client_sector: str = ""
    client_audience: tuple[str, ...] | None = None
    client_scope: tuple[str, ...] | None = None
    acting: ActingOperator | None = None


class TokenOwner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose an access token is, by its grant: the person, the sign-in, the client, and what that asked for.

    `claims` and `organization` are those of `TokenSubject`, which says what a token says, and takes twice as long.
    """

    user_id: str
    session_id: str
    client_id: str
    claims: str
    organization: ActiveOrganization | None


class RotationPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The time limits of refreshing, in seconds.

    `quiet` is how long a current token may be used again before its use moves the grant on; `grace` how long after
    the last answer the token before it is still taken for a straggler's; `idle` how long a grant lives unrefreshed.
    """

    quiet: float
    grace: float
    idle: float


class Advanced(msgspec.Struct, frozen=True):
    """The client moved on: `serial` is new."""

    serial: int
    subject: TokenSubject


class Same(msgspec.Struct, frozen=True):
    """Another tab, a reload or a retry: `serial` is still the current one."""

    serial: int
    subject: TokenSubject


class Reissued(msgspec.Struct, frozen=True):
    """The last answer was probably lost: `serial` is new, and using the unused one from now on means theft."""

    serial: int
    subject: TokenSubject
    store_went_back: bool = False


class Stolen(msgspec.Struct, frozen=True):
    """Two parties hold this grant: it must end in the same transaction, and for a first-party grant the session too."""

    user_id: str
    session_id: str


class Ended(msgspec.Struct, frozen=True):
    """The session or the grant has ended, or a lifetime has run out."""


class Unknown(msgspec.Struct, frozen=True):
    """There is no such grant."""


MovedOn: TypeAlias = Advanced | Same | Reissued
Advance: TypeAlias = MovedOn | Stolen | Ended | Unknown


class RefreshCredential(msgspec.Struct, frozen=True, kw_only=True):
    """What a refresh token proves: that its bearer holds this grant's secret, and had this serial from us.

    `client_id` is who presents it; at any other client than its own a grant is unknown (RFC 6749 §6, §10.4). `jkt` is
    the key that they prove to have; without its key, a grant that is bound to one is unknown too (RFC 9449 §5).
    """

    grant_id: str
    client_id: str
    secret_digest: bytes
    serial: int
    jkt: str | None = None


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a refresh token belongs to, and whether it would still be taken: its serial is current or spent."""

    grant_id: str
    session_id: str
    user_id: str
    client_id: str
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    is_usable: bool
    expires_at: float
    answered_at: float
    jkt: str | None = None


class ClientHold(msgspec.Struct, frozen=True):
    """What a registered client holds of a person, with the same scopes; `since` the earliest sign-in there."""

    client_id: str
    scope: tuple[str, ...]
    since: float


class Grants(Protocol):
    """The store of grants: one row each, and no table of tokens."""

    async def add(self, grant: Grant) -> None:
        """Add a grant."""
        ...

    async def advance(self, refresh_credential: RefreshCredential, *, pace: RotationPolicy, now: float) -> Advance:
        """Advance the grant according to the presented serial, in one statement. `Stolen`: end the session."""
        ...

    async def held_by(self, refresh_credential: RefreshCredential) -> Held | None:
        """The grant that the presented token belongs to, ended or not."""
        ...

    async def bearer_at(self, status: StatusIndex) -> TokenSubject | None:
        """The subject of access tokens of the grant at this status index; None if the grant has ended or moved."""
        ...

    async def owner_at(self, status: StatusIndex) -> TokenOwner | None:
        """Whose the access tokens of the grant at this status index are; None if the grant has ended or moved."""
        ...

    async def at(self, status: StatusIndex) -> str | None:
        """The grant at this status index; None if it has ended or moved."""
        ...

    async def choose_organization(self, grant_id: str, organization_id: str) -> tuple[StatusIndex, int]:
        """Name another organization in tokens from now on, or none.

        Returns the status index, and how many other organizations tokens at it may name.
        """
        ...

    async def first_party_of(self, session_id: str) -> str | None:
        """The first-party grant of a session, unless it has ended."""
        ...

    async def organization_in(self, session_id: str) -> str:
        """The organization that first-party tokens of a session name; empty for none."""
        ...

    async def naming(
        self, organization_id: str, now: float, *, user_id: str | None = None
    ) -> list[tuple[str, StatusIndex]]:
        """The active grants of a member, or of all, whose tokens may name the organization, with their indexes."""
        ...

    async def leave_organization(self, organization_id: str, *, user_id: str | None = None) -> None:
        """Name the organization no longer in tokens of a member, or of all."""
        ...

    async def session_of(self, grant_id: str) -> str | None:
        """The session that a grant belongs to, ended or not."""
        ...

    async def end(self, grant_id: str, now: float) -> list[EndedGrant]:
        """End one grant; return its status index, or nothing if it had ended. The next three end several."""
        ...

    async def end_of_session(self, session_id: str, now: float) -> list[EndedGrant]:
        """End a session's grants."""
        ...

    async def end_of_user(self, user_id: str, now: float, *, keep_session: str = "") -> list[EndedGrant]:
        """End a user's grants, except those of one session."""
        ...

    async def end_of_client(self, client_id: str, now: float) -> list[EndedGrant]:
        """End a client's grants."""
        ...

    async def end_at_client(self, user_id: str, client_id: str, now: float) -> list[EndedGrant]:
        """End a person's grants at one client."""
        ...

    async def end_all(self, now: float, *, answered_after: float) -> list[EndedGrant]:
        """End every grant; return the status indexes of those refreshed after a moment."""
        ...

    async def held_by_clients(self, user_id: str, *, now: float, idle_seconds: float) -> list[ClientHold]:
        """What registered clients hold of a person: those grants that can still refresh, together where alike."""
        ...

    async def carry_over(self, session_id: str, to: str, *, known_as: str) -> None:
        """Move what registered clients hold of a session to another one; they go on to know it by that name."""
        ...

    async def given_in(self, session_id: str, user_id: str, now: float) -> list[Logout]:
        """The sign-ins of a browser's session at clients that keep offline grants of it, which do not end with it."""
        ...

    async def outliving(self, session_id: str, user_id: str) -> list[str]:
        """The grants, offline and on devices, that were given in a browser's session, and have not ended with it."""
        ...

    async def live_of_user(self, user_id: str, now: float) -> list[tuple[str, StatusIndex]]:
        """A user's active grants, each with its status index."""
        ...

    async def live_of_client(self, client_id: str, now: float) -> list[tuple[str, StatusIndex]]:
        """A client's active grants, each with its status index."""
        ...

    async def remove_all_of(self, user_id: str) -> None:
        """Remove a user's grants, which have ended."""
        ...

    async def move(self, grants: Sequence[tuple[str, StatusIndex]]) -> None:
        """Give each grant another status index: tokens issued from now on are not revoked."""
        ...
