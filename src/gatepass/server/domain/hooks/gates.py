"""The places that every new account, address and session passes: hooks are asked there, and nowhere else.

A test holds that no other code adds a user or a session, or changes an address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.user import application_roles
from gatepass.server.domain.events.event import NOWHERE, Origin
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.hooks.requests import BeforeLoginRequest, BeforeSignupRequest

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.hooks.requests import Deny, SignupMethod
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.session import Session


class Denied(Refusal):
    """A hook said no; its own code is shown in place of ours."""

    def __init__(self, code: str, denied: Deny) -> None:
        super().__init__(code, denied.text)
        self.shown_code = denied.code


async def check_signup(  # noqa: PLR0913 - what a hook is told
    tx: Transaction,
    email: str,
    *,
    method: SignupMethod,
    is_verified: bool = False,
    provider: str = "",
    user_id: str = "",
    actor: str = "",
    where: Origin = NOWHERE,
) -> Denied | None:
    """Ask whether an account may have this address; a denial is recorded."""
    request = BeforeSignupRequest(
        email=email,
        email_verified=is_verified,
        method=method,
        provider=provider,
        user_id=user_id,
        actor=actor,
        address=where.address,
        user_agent=where.user_agent,
    )
    if (denied := tx.answers.to(request)) is None:
        return None
    await record(tx, "signup_denied", user_id, actor=actor or user_id, reason=denied.code, where=where)
    return Denied("signup_denied", denied)


async def create_account(  # noqa: PLR0913 - who makes it, how, and from where
    tx: Transaction,
    user: User,
    *,
    method: SignupMethod,
    provider: str = "",
    actor: str | None = None,
    reason: str = "",
    where: Origin = NOWHERE,
) -> Refusal | None:
    """Add an account: refused with `signup_denied`, or `email_taken`. `actor` is the operator who does it."""
    if refused := await check_signup(
        tx,
        user.email,
        method=method,
        is_verified=user.email_verified_at is not None,
        provider=provider,
        actor=actor or "",
        where=where,
    ):
        return refused
    if not await tx.users.add(user):
        return _email_taken()
    await record(tx, "account_created", user.id, actor=actor, reason=reason, where=where)
    return None


async def change_address(  # noqa: PLR0913 - whose, what, by whom, and from where
    tx: Transaction,
    user: User,
    email: str,
    *,
    is_verified: bool,
    actor: str = "",
    where: Origin = NOWHERE,
) -> Refusal | None:
    """Give an account an address: refused with `signup_denied`, or `email_taken`."""
    if email != user.email and (
        refused := await check_signup(
            tx, email, method="email_change", is_verified=is_verified, user_id=user.id, actor=actor, where=where
        )
    ):
        return refused
    if not await tx.users.set_email(user.id, email, tx.now if is_verified else None):
        return _email_taken()
    return None


async def begin_session(tx: Transaction, user: User, session: Session) -> Denied | None:
    """Add a session, unless a hook says that the person may not have it."""
    if tx.answers.needs("before_login"):
        request = BeforeLoginRequest(
            user_id=user.id,
            email=user.email,
            email_verified=user.email_verified_at is not None,
            roles=application_roles(user.roles),
            app_metadata=(await tx.profiles.of(user.id)).app_metadata,
            amr=session.amr,
            acr=session.acr,
            client_id=session.client_id,
            kind=session.kind,
            address=session.address,
            user_agent=session.user_agent,
        )
        if denied := tx.answers.to(request):
            where = Origin(address=session.address, user_agent=session.user_agent)
            await record(tx, "sign_in_refused", user.id, actor="", reason=denied.code, where=where)
            return Denied("login_denied", denied)
    await tx.sessions.add(session)
    return None


def _email_taken() -> Refusal:
    return Refusal("email_taken", "There is already an account with this email address.")
