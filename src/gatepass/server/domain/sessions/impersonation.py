"""Impersonation: an operator gets a short token of another person's, for one API, to see what that person sees.

The token says who acts (RFC 8693 §4.1). It names two places in status lists: that of a session of the person's own, and
that of the operator's sign-in. So it ends, at every verifier within a second, with either of them. It opens nothing at
this server: it is not for the issuer, and has no refresh token. It is not exchanged, and proves no sign-in: it has no
`amr`, `acr` or `auth_time`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.base.texts import primary
from gatepass.server.domain.accounts.user import account_closed
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.mail.queue import Notice
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.client_policy import ClientPolicy
from gatepass.server.domain.sessions.grant import ActingOperator
from gatepass.server.domain.sessions.open import open_grant
from gatepass.server.domain.sessions.operator import IMPERSONATION_SECONDS
from gatepass.server.domain.sessions.session import Session

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.domain.sessions.open import Opened
    from gatepass.server.domain.sessions.operator import Operator
    from gatepass.server.domain.sessions.token_request import TokenRequest
    from gatepass.verify import Principal


def check_impersonation(settings: Settings, operator: Operator, *, audience: str, scope: str | None) -> TokenRequest:
    """What the token is for: one API that first-party tokens are for, and none of the rights at this server.

    Raises:
        Refusal: `impersonation_off`, `invalid_audience`, or `invalid_scope`.
    """
    if not settings.impersonation:
        raise Refusal("impersonation_off", "Impersonation is off on this server: the setting is `impersonation`.")
    policy = ClientPolicy.of_first_party(settings)
    apis = tuple(name for name in policy.audience if name != settings.issuer_url)
    narrowed = msgspec.structs.replace(policy, audience=apis, operator_scope=())
    return narrowed.check(audience=(audience,), scope=scope, jkt=operator.jkt)


async def impersonate(  # noqa: PLR0913 - who, whom, what for, and where it is noted
    tx: Transaction,
    operator: Operator,
    user: User,
    *,
    token_request: TokenRequest,
    status: StatusIndex,
    notices: Notices,
    where: Origin,
) -> Opened | Refusal:
    """Open a session of the person's for the token to hang on, and tell them. Operators are never impersonated."""
    if user.is_operator:
        return Refusal("operator_protected", "Operators are not impersonated.")
    if user.closed is not None:
        return account_closed(user.closed)
    assert operator.status is not None, "the route lets only people in"
    session = Session(
        id=new_id("ses"),
        user_id=user.id,
        auth_time=tx.now,
        acr="",
        amr=(),
        address="",
        user_agent="",
        expires_at=tx.now + IMPERSONATION_SECONDS,
        kind="impersonation",
    )
    await tx.sessions.add(session)
    opened = await open_grant(tx, user, session, token_request=token_request, status=status)
    await record(
        tx,
        "impersonated",
        user.id,
        actor=operator.id,
        session_id=session.id,
        reason=" ".join(token_request.audience),
        jti=opened.token_id,
        where=where,
    )
    await _tell(tx, user, token_request, notices)
    acting = ActingOperator(id=operator.id, status=operator.status)
    return msgspec.structs.replace(opened, subject=msgspec.structs.replace(opened.subject, auth_time=0, acting=acting))


async def _tell(tx: Transaction, user: User, token_request: TokenRequest, notices: Notices) -> None:
    """In the person's language, as far as it is known: the operator may read another."""
    locale = (await tx.profiles.of(user.id)).locale
    audience = " ".join(token_request.audience)
    notice = Notice(
        kind="impersonated",
        to=user.email,
        language=primary(locale),
        link=notices.page_url("account"),
        values={"audience": audience},
    )
    await notices.send(tx, notice, user_id=user.id)


def is_impersonation(principal: Principal) -> bool:
    """Whether it is an impersonation's: a first-party token in which another acts. Exchanged ones name a client."""
    return principal.client_id == FIRST_PARTY and "act" in principal.claims
