"""Whom a client asks about at UserInfo, by the access token that it was given (OpenID Connect Core 1.0 §5.3.1)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.sessions.caller import OpenIdCaller
from gatepass.server.domain.sessions.client import OPENID
from gatepass.server.domain.sessions.own_tokens import status_of
from gatepass.server.web.auth.requirements import NO_BODY

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.revocation_check import RevocationCheck
    from gatepass.server.domain.sessions.grant import TokenOwner
    from gatepass.server.web.auth.bearer import BearerAuth
    from gatepass.server.web.auth.requirements import SplitBody
    from gatepass.verify import Principal

IN_BODY = "access_token"
"""The field of a form that may hold the token (RFC 6750 §2.2)."""


class OpenIdAuth:
    """Finds the person and what their client may be told, both as they are today."""

    def __init__(self, bearer_auth: BearerAuth, revocation_check: RevocationCheck) -> None:
        self._bearer_auth = bearer_auth
        self._revocation_check = revocation_check

    async def identify(self, request: Request, body: SplitBody = NO_BODY) -> OpenIdCaller:
        """Return whom the token is about. In the URL's query it is never looked for.

        Raises:
            Refusal: `missing_token`, `invalid_request` where it stands twice, `insufficient_scope` without `openid`, or
                `invalid_token`, also when the sign-in behind it is over.
        """
        principal = await self._bearer_auth.verify(request, _check_scope, in_body=body.fields.get(IN_BODY))
        found = await self._revocation_check.read(principal, partial(_account_of, principal))
        if found is None:
            raise Refusal("invalid_token", "The sign-in behind the access token is over.")
        user, owner = found
        return OpenIdCaller(
            user=user,
            sub=principal.subject,
            client_id=owner.client_id,
            scope=tuple(sorted(principal.scopes)),
            claims=owner.claims,
            organization=owner.organization,
        )


async def _account_of(principal: Principal, tx: Transaction) -> tuple[User, TokenOwner] | None:
    """By the grant at the token's status index: the token's own names may be known to its client alone."""
    status = status_of(principal)
    owner = None if status is None else await tx.grants.owner_at(status)
    if owner is None:
        return None
    user = await tx.users.signed_in(owner.session_id, owner.user_id, tx.now)
    return None if user is None else (user, owner)


def _check_scope(principal: Principal) -> None:
    if OPENID not in principal.scopes:
        raise Refusal("insufficient_scope", f"The access token needs the scope {OPENID} here.")
    if principal.session_id is None:
        raise Refusal("invalid_token", "This requires a user's access token; this one belongs to a client.")
