"""A grant: what one client holds of a session. It is what a refresh token refers to, and what a refresh moves on."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import msgspec


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A client's hold on a session. Times in seconds since 1970."""

    id: str
    session_id: str
    user_id: str
    client_id: str
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    secret_digest: bytes
    current: int
    touched_at: float
    expires_at: float


class Bearer(msgspec.Struct, frozen=True, kw_only=True):
    """What an access token says about the person and their sign-in, read in the same statement as the grant."""

    user_id: str
    session_id: str
    client_id: str
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    roles: tuple[str, ...]
    auth_time: float
    acr: str
    amr: tuple[str, ...]
    expires_at: float


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The time limits of refreshing, in seconds.

    `quiet` is how long a current token may be used again before its use moves the grant on; `grace` how long after
    the last answer the token before it is still taken for a straggler's; `idle` how long a grant lives unrefreshed.
    """

    quiet: float
    grace: float
    idle: float


class Advanced(msgspec.Struct, frozen=True):
    """The owner moved on: `serial` is new."""

    serial: int
    bearer: Bearer


class Same(msgspec.Struct, frozen=True):
    """Another tab, a reload or a retry: `serial` is the one that is current already."""

    serial: int
    bearer: Bearer


class Reissued(msgspec.Struct, frozen=True):
    """The last answer seems to have been lost: `serial` is new and the one nobody used is poison."""

    serial: int
    bearer: Bearer
    store_went_back: bool = False


class Stolen(msgspec.Struct, frozen=True):
    """Two parties hold this grant."""

    user_id: str
    session_id: str


class Ended(msgspec.Struct, frozen=True):
    """The session or the grant has ended, or a lifetime has run out."""


class Unknown(msgspec.Struct, frozen=True):
    """There is no such grant."""


Advance: TypeAlias = Advanced | Same | Reissued | Stolen | Ended | Unknown


class Presented(msgspec.Struct, frozen=True, kw_only=True):
    """What a refresh token proves: that its bearer holds this grant's secret, and had this serial from us."""

    grant_id: str
    secret_digest: bytes
    serial: int


class Grants(Protocol):
    """Where grants are kept: one row each, and no table of tokens."""

    async def add(self, grant: Grant) -> None:
        """Keep a new grant."""
        ...

    async def advance(self, presented: Presented, *, pace: Pace, now: float) -> Advance:
        """Move the grant on as the presented serial calls for, in one statement. `Stolen` ends the grant."""
        ...

    async def session_of(self, presented: Presented) -> tuple[str, str] | None:
        """The (session, user) that the grant belongs to, ended or not."""
        ...
