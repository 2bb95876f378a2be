"""The rights of operators at this server: scopes that are asked for by name and alone, in tokens of five minutes.

A person needs the role `gatepass-operator` and a sign-in with two factors or a passkey; a client needs the scopes from
the command line, and gets them for itself only (RFC 6749 §4.4). They are never given by default, by cookie or by
refresh, so that an everyday token, which every API sees, opens nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings.tokens import OPERATOR_SCOPES, STREAM_SCOPES, is_own_scope
from gatepass.server.domain.accounts.user import OPERATOR_ROLE
from gatepass.server.domain.revocation.status_index import StatusIndex  # noqa: TC001 - msgspec reads the annotations
from gatepass.server.domain.sessions.session import TWO_FACTORS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.sessions.client import Client

OPERATOR_SECONDS = 300
"""How long an operator's token lives, and the session that it belongs to."""
IMPERSONATION_SECONDS = 900
"""How long an impersonation lasts at most; the operator's session is as much longer."""

_SIGNS_IN = frozenset({"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"})
"""Grants with which a client acts for people."""

ActorKind: TypeAlias = Literal["command line", "person", "client"]


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """Who administers: `id` is the `actor` of the events.

    `status` is the status index of a person's sign-in, and `jkt` the key that its token is bound to, if it is.
    """

    id: str
    kind: ActorKind
    status: StatusIndex | None = None
    jkt: str | None = None

    def check_may_change(self, user: User) -> Refusal | None:
        """Refuse to let a client change an operator: it could make itself one by a password or an address."""
        if self.kind == "client" and user.is_operator:
            return Refusal(
                "operator_protected", "Only an operator in person, or the command line, changes an operator."
            )
        return None


def check_rights_given(before: Client | None, after: Client, *, by: Operator) -> None:
    """Refuse to give a client by HTTP what only the command line gives, or to let a client change one that has it.

    Whoever can set such a client's secret or redirect URIs has its rights: those at this server, and to sign people in
    without asking them.

    Raises:
        Refusal: `command_line_only`, or `operator_protected`.
    """
    if by.kind == "command line":
        return
    if by.kind == "client" and before is not None and _rights_of(before):
        raise Refusal("operator_protected", "Only an operator in person, or the command line, changes this client.")
    if given := _rights_of(after) - (frozenset() if before is None else _rights_of(before)):
        raise Refusal("command_line_only", f"Only the command line gives a client {', '.join(sorted(given))}.")


def _rights_of(client: Client) -> frozenset[str]:
    """What a client may do that only the command line gives."""
    rights = [name for name in client.scope if is_own_scope(name)]
    if client.rules.consent == "never" and not _SIGNS_IN.isdisjoint(client.grant_types):
        rights.append("consent=never")
    if client.rules.may_impersonate:
        rights.append("impersonation")
    return frozenset(rights)


COMMAND_LINE = Operator(id="operator", kind="command line")


def admin_audience(issuer: str) -> str:
    """What operators' tokens are for: the calls under `/admin`, and nothing else."""
    return f"{issuer}/admin"


def streams_audience(issuer: str) -> str:
    """What receivers' tokens are for: the calls under `/ssf`, and nothing else."""
    return f"{issuer}/ssf"


def is_for_operators(scope: Iterable[str]) -> bool:
    """Whether any of the scopes is an operator's right."""
    return not OPERATOR_SCOPES.isdisjoint(scope)


def everyday(scope: Iterable[str]) -> tuple[str, ...]:
    """The scopes without the rights of operators and of receivers of Shared Signals."""
    return tuple(name for name in scope if name not in OPERATOR_SCOPES and name not in STREAM_SCOPES)


def check_operator(user: User, *, acr: str) -> Refusal | None:
    """Refuse an operator's token to anyone who is not an operator, or has not proved two factors in this sign-in."""
    if not user.is_operator:
        return Refusal("insufficient_scope", f"This needs the role {OPERATOR_ROLE}.")
    if acr != TWO_FACTORS:
        return Refusal(
            "operator_needs_factor", "An operator signs in with two factors or a passkey: set up one of them first."
        )
    return None
