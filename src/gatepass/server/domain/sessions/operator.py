"""The rights of operators at this server: scopes that are asked for by name and alone, in tokens of five minutes.

A person needs the role `gatepass-operator` and a sign-in with two factors or a passkey; a client needs the scopes from
the command line, and gets them for itself only (RFC 6749 §4.4). They are never given by default, by cookie or by
refresh, so that an everyday token, which every API sees, opens nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings.tokens import OPERATOR_SCOPES
from gatepass.server.domain.accounts.user import OPERATOR_ROLE
from gatepass.server.domain.sessions.session import TWO_FACTORS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gatepass.server.domain.accounts.user import User

OPERATOR_SECONDS = 300
"""How long an operator's token lives, and the session that it belongs to."""

ActorKind: TypeAlias = Literal["command line", "person", "client"]


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """Who administers: `id` is the `actor` of the events."""

    id: str
    kind: ActorKind

    def check_may_change(self, user: User) -> Refusal | None:
        """Refuse to let a client change an operator: it could make itself one by a password or an address."""
        if self.kind == "client" and user.is_operator:
            return Refusal(
                "operator_protected", "Only an operator in person, or the command line, changes an operator."
            )
        return None


COMMAND_LINE = Operator(id="operator", kind="command line")


def admin_audience(issuer: str) -> str:
    """What operators' tokens are for: the calls under `/admin`, and nothing else."""
    return f"{issuer}/admin"


def is_for_operators(scope: Iterable[str]) -> bool:
    """Whether any of the scopes is an operator's right."""
    return not OPERATOR_SCOPES.isdisjoint(scope)


def everyday(scope: Iterable[str]) -> tuple[str, ...]:
    """The scopes without operators' rights."""
    return tuple(name for name in scope if name not in OPERATOR_SCOPES)


def check_operator(user: User, *, acr: str) -> Refusal | None:
    """Refuse an operator's token to whoever is none, or has not proved two factors now."""
    if not user.is_operator:
        return Refusal("insufficient_scope", f"This needs the role {OPERATOR_ROLE}.")
    if acr != TWO_FACTORS:
        return Refusal(
            "operator_needs_factor", "An operator signs in with two factors or a passkey: set up one of them first."
        )
    return None
