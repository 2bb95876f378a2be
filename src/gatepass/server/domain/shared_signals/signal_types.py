"""Which of our events receivers are told of, and as what: the one table.

CAEP 1.0 §3 and RISC 1.0 §2 define the types, the Shared Signals Framework 1.0 §8 those about a stream itself.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from gatepass.server.domain.events.event import EventKind

SignalType: TypeAlias = Literal[
    "session-revoked",
    "credential-change",
    "token-claims-change",
    "account-disabled",
    "account-enabled",
    "account-purged",
    "verification",
    "stream-updated",
]

_CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
_RISC = "https://schemas.openid.net/secevent/risc/event-type/"
_SSF = "https://schemas.openid.net/secevent/ssf/event-type/"

SUPPORTED: Mapping[str, SignalType] = {
    _CAEP + "session-revoked": "session-revoked",
    _CAEP + "credential-change": "credential-change",
    _CAEP + "token-claims-change": "token-claims-change",
    _RISC + "account-disabled": "account-disabled",
    _RISC + "account-enabled": "account-enabled",
    _RISC + "account-purged": "account-purged",
}
"""What a receiver can ask for, by the URI of the type. Those about the stream itself come unasked (SSF §8.1.4)."""
URIS: Mapping[SignalType, str] = {
    **{name: uri for uri, name in SUPPORTED.items()},
    "verification": _SSF + "verification",
    "stream-updated": _SSF + "stream-updated",
}


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """What an event of ours is told as.

    Attributes:
        type: The type.
        text: What has happened, in words for the receiver's log (`reason_admin`).
        members: What its type asks for beside what every one has.
        facts: What may have changed that tokens tell of a person; empty where the event itself names it.
    """

    type: SignalType
    text: str
    members: Mapping[str, str] = {}
    facts: tuple[str, ...] = ()


def _credential(text: str, change: str, kind: str = "") -> Signal:
    members = {"change_type": change} | ({"credential_type": kind} if kind else {})
    return Signal(type="credential-change", text=text, members=members)


def _claims(text: str, *facts: str) -> Signal:
    return Signal(type="token-claims-change", text=text, facts=facts)


SIGNALS: Mapping[EventKind, Signal] = {
    "session_ended": Signal(type="session-revoked", text="The session has ended"),
    "password_changed": _credential("The password was changed", "update", "password"),
    "password_removed": _credential("The password was removed", "delete", "password"),
    "factor_added": _credential("A factor was added", "create"),
    "factor_removed": _credential("A factor was removed", "delete"),
    "email_changed": _claims("The email address was changed", "email", "email_verified"),
    "email_verified": _claims("The email address was verified", "email_verified"),
    "role_given": _claims("A role was given", "roles", "permissions"),
    "role_taken": _claims("A role was taken away", "roles", "permissions"),
    "profile_changed": _claims("The profile was changed"),
    "account_disabled": Signal(type="account-disabled", text="An operator disabled the account"),
    # Whoever locks an account says that somebody else was in it.
    "account_locked": Signal(
        type="account-disabled", text="The owner locked the account", members={"reason": "hijacking"}
    ),
    "account_enabled": Signal(type="account-enabled", text="An operator enabled the account"),
    "account_unlocked": Signal(type="account-enabled", text="The owner unlocked the account"),
    "account_deleted": Signal(type="account-purged", text="The account was deleted"),
}
"""`session_ended` stands for every end of a sign-in that a client knows: it is queued where logouts are."""

ENDINGS: Mapping[str, str] = {
    "logout": "The user signed out",
    "logout_all": "The user signed out everywhere",
    "ended_by_user": "The user ended the session from another one",
    "logged_out_by_admin": "An operator ended the session",
    "global_revocation": "All sessions of the user were revoked",
    "restored": "The server was restored from a backup",
    "refresh_token_reused": "A refresh token was used twice, as if it was stolen",
    "authorization_code_reused": "An authorization code was used twice, as if it was stolen",
    "user_disabled": "The account was disabled",
    "factors_reset": "The factors of the account were reset",
    "password_changed": "The password was changed",
    "address_proved": "The email address was proved by its owner",
    "account_locked": "The owner locked the account",
    "account_deleted": "The account was deleted",
    "consent_withdrawn": "The user took back the access of the application",
    "client_disabled": "The application was disabled",
}
"""Why sessions end (`domain.sessions.session.EndReason`), for the receiver's log."""

CREDENTIAL_TYPES: Mapping[str, str] = {"totp": "app", "passkey": "passkey", "all": "second-factors"}
"""The factors of our events. CAEP's own names for passkeys say whether a device is built in, which nobody tells us."""

_BY_POLICY = frozenset({"refresh_token_reused", "authorization_code_reused"})


def initiator_of(actor: str | None, user_id: str, reason: str = "", *, system: str = "") -> str:
    """Who brought it about (`initiating_entity`, CAEP §2): `user`, `admin`, `policy` for a theft, or `system`."""
    if reason in _BY_POLICY:
        return "policy"
    if actor is None or actor == user_id:
        return "user"
    return "system" if actor in ("", system) else "admin"
