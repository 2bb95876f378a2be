"""A session: one sign-in of one user on one device. What a client holds of it is a grant."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

SINGLE_FACTOR = "1"
"""`acr` of a sign-in with one factor."""
TWO_FACTORS = "2"
"""`acr` of a sign-in with two of them."""

MOST_SHOWN = 100
"""How many of a user's sessions are returned at once, so that answers stay small."""

EndReason = Literal[
    "logout",
    "logout_all",
    "ended_by_user",
    "logged_out_by_admin",
    "global_revocation",
    "restored",
    "refresh_token_reused",
    "user_disabled",
    "factors_reset",
    "password_changed",
    "address_proved",
    "account_locked",
    "account_deleted",
    "replaced",
    "grant_ended",
    "consent_withdrawn",
    "client_disabled",
    "authorization_code_reused",
]


SessionKind = Literal["browser", "offline", "device", "assertion", "impersonation"]
"""A browser's, one that a client keeps when that has ended (`offline_access`), that of a device without a browser, or
that of one token for which a client has traded an assertion: nobody has signed in, so it is no sign-in to be shown.
That of an operator who acts in the person's name is shown to the person, who can end it.

Logging out at the browser ends the first kind alone (OpenID Connect Back-Channel Logout 1.0 §2.7).
"""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in. Times in seconds since 1970; `acr` and `amr` as in RFC 9068 §2.2.1.

    `client_id` is the client that an offline or a device's session belongs to; empty for a browser's.

    `known_as` is the session that it goes on from, where the same person signed in anew in the same browser; empty
    where it is the first.

    `approved_in` is the browser's session in which a client's own one was given; empty for a browser's.
    """

    id: str
    user_id: str
    auth_time: float
    acr: str
    amr: tuple[str, ...]
    address: str
    user_agent: str
    expires_at: float
    kind: SessionKind = "browser"
    client_id: str = ""
    known_as: str = ""
    approved_in: str = ""

    @property
    def sid(self) -> str:
        """The name by which clients know the sign-in, the same for as long as the person stays in this browser."""
        return self.known_as or self.id


class SessionInUse(msgspec.Struct, frozen=True, kw_only=True):
    """A live session with the time of its last refresh, for showing to its owner.

    `client_name` is the name of the client that the session belongs to; empty for a browser's.
    """

    session: Session
    last_seen: float
    client_name: str = ""


class Sessions(Protocol):
    """The store of sessions. `revoke.py` has what ends together with a session."""

    async def add(self, session: Session) -> None:
        """Add a session."""
        ...

    async def is_live(self, session_id: str, user_id: str, now: float) -> bool:
        """Whether the session is this user's and has neither ended nor expired."""
        ...

    async def live(self, session_id: str, now: float) -> Session | None:
        """The session, unless it has ended or expired."""
        ...

    async def prove_again(self, session_id: str, *, acr: str, amr: tuple[str, ...], now: float) -> bool:
        """Record that the user has authenticated again; False if the session has ended in the meantime."""
        ...

    async def go_on_from(self, session_id: str, known_as: str) -> None:
        """Note that clients know the session by the name of an earlier one."""
        ...

    async def forget_expired(self, before: float, most: int) -> int:
        """Remove sessions whose absolute lifetime ended before then, the oldest first, and their grants; how many."""
        ...

    async def all_of(self, user_id: str) -> list[Session]:
        """All stored sessions of the user, including ended ones."""
        ...

    async def remove_all_of(self, user_id: str) -> None:
        """Remove the user's sessions, whose grants must be gone."""
        ...

    async def live_of(self, user_id: str, *, now: float, idle_seconds: float) -> list[SessionInUse]:
        """The user's sessions that can still refresh, most recently used first; `MOST_SHOWN` of them at most."""
        ...

    async def end(self, session_id: str, user_id: str, *, reason: EndReason, now: float) -> bool:
        """End the session; False if it is not this user's or has already ended."""
        ...

    async def end_all(self, *, reason: EndReason, now: float) -> int:
        """End all active sessions; return how many there were."""
        ...

    async def end_all_of(self, user_id: str, *, reason: EndReason, now: float, keep: str = "") -> int:
        """End all active sessions of the user except the one to `keep`; return how many there were."""
        ...

    async def end_all_of_client(self, client_id: str, *, reason: EndReason, now: float) -> None:
        """End every session that belongs to the client, offline or on devices."""
        ...

    async def end_of_client(self, user_id: str, client_id: str, *, reason: EndReason, now: float) -> None:
        """End the user's sessions that belong to the client, offline or on devices."""
        ...
