"""What events are called in public: those that webhooks can be told of. Ours may be renamed, these may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatepass.server.domain.events.event import EventKind

PUBLIC_NAMES: dict[EventKind, str] = {
    "account_created": "user.created",
    "account_disabled": "user.disabled",
    "account_enabled": "user.enabled",
    "account_locked": "user.locked",
    "account_unlocked": "user.unlocked",
    "consent_given": "consent.given",
    "consent_withdrawn": "consent.withdrawn",
    "email_changed": "user.email_changed",
    "email_verified": "user.email_verified",
    "factor_added": "user.factor_added",
    "factor_removed": "user.factor_removed",
    "impersonated": "user.impersonated",
    "invited": "user.invited",
    "member_added": "organization.member_added",
    "member_removed": "organization.member_removed",
    "member_roles_changed": "organization.member_roles_changed",
    "password_changed": "user.password_changed",
    "profile_changed": "user.profile_changed",
    "refresh_token_reused": "session.token_reused",
    "role_given": "user.role_given",
    "role_taken": "user.role_taken",
    "session_ended": "session.ended",
    "sessions_ended": "user.sessions_ended",
    "signed_in": "session.started",
}

USER_DELETED = "user.deleted"
"""Not from the log, where a person who is gone has no name: it is queued where the account is erased."""
TEST = "webhook.test"
"""What an operator sends to see whether it arrives; every webhook is told."""

NAMES = frozenset({*PUBLIC_NAMES.values(), USER_DELETED})
"""What a webhook can ask for."""
