"""Opening a session and its first grant, inside the transaction that authenticated the user."""

from __future__ import annotations

import hashlib
import os
import secrets
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import decode_id, new_id
from gatepass.server.base.settings.tokens import ADMIN_IMPERSONATE
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.hooks.gates import begin_session
from gatepass.server.domain.organizations.activating import active_organization
from gatepass.server.domain.sessions.grant import Grant, TokenSubject
from gatepass.server.domain.sessions.operator import IMPERSONATION_SECONDS, OPERATOR_SECONDS, check_operator
from gatepass.server.domain.sessions.session import Session
from gatepass.tokens.refresh_token import SECRET_BYTES, RefreshToken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.domain.sessions.grant import ActiveOrganization
    from gatepass.server.domain.sessions.token_request import TokenRequest

GRANT_PREFIX = "gnt"
_FIRST_SERIAL = 1
_TOKEN_ID_BYTES = 16


class Authentication(msgspec.Struct, frozen=True, kw_only=True):
    """How and where the user authenticated: `acr` and `amr` as in RFC 9068 §2.2.1.

    `at` is when, if not just now; `provider` the other site, if they did it there.
    """

    acr: str
    amr: tuple[str, ...]
    where: Origin
    at: float | None = None
    provider: str = ""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A new grant: the subject of its access tokens, its refresh token, and the time on the database's clock.

    `token_id` is the `jti` of the first access token; the event that tells of the sign-in names it. `password` tells
    in cookie mode which one the account has (`password_digest`).
    """

    subject: TokenSubject
    refresh_token: RefreshToken
    token_id: str
    now: float
    password: bytes = b""


async def open_session(  # noqa: PLR0913 - what a session is made of
    tx: Transaction,
    user: User,
    *,
    token_request: TokenRequest,
    proof: Authentication,
    status: StatusIndex,
    max_seconds: float,
) -> Opened | Refusal:
    """Write a session for the user and its first grant, and return what to issue tokens from.

    An operator's token has a session of its own, which ends with it; it is refused as `check_operator` says, tokens for
    an organization as `active_organization`, and any with `login_denied`, where a hook says no.
    """
    if token_request.is_for_operator:
        if refused := check_operator(user, acr=proof.acr):
            return refused
        max_seconds = OPERATOR_SECONDS
        if ADMIN_IMPERSONATE in token_request.scope:  # whatever ends the sign-in ends what came of it, to its end
            max_seconds += IMPERSONATION_SECONDS
    organization = await active_organization(tx, user.id, token_request.organization)
    if isinstance(organization, Refusal):
        return organization
    session = Session(
        id=new_id("ses"),
        user_id=user.id,
        auth_time=tx.now if proof.at is None else min(proof.at, tx.now),
        acr=proof.acr,
        amr=proof.amr,
        address=proof.where.address,
        user_agent=proof.where.user_agent,
        expires_at=tx.now + max_seconds,
    )
    if denied := await begin_session(tx, user, session):
        return denied
    opened = await open_grant(tx, user, session, token_request=token_request, status=status, organization=organization)
    await record(
        tx,
        "signed_in",
        user.id,
        session_id=session.id,
        reason=" ".join(proof.amr),
        jti=opened.token_id,
        where=proof.where,
    )
    return opened


async def open_grant(  # noqa: PLR0913 - what a grant is made of
    tx: Transaction,
    user: User,
    session: Session,
    *,
    token_request: TokenRequest,
    status: StatusIndex,
    grant_id: str = "",
    browser_session_id: str = "",
    organization: ActiveOrganization | None = None,
) -> Opened:
    """Store a client's grant of a session, at a new status index.

    `grant_id` is the identifier that was given out in advance, if one was. `browser_session_id` is that of the
    browser in which an offline grant was given. `organization` is the one that its tokens name.
    """
    grant_id, secret = grant_id or new_id(GRANT_PREFIX), os.urandom(SECRET_BYTES)
    grant = Grant(
        id=grant_id,
        session_id=session.id,
        user_id=user.id,
        client_id=token_request.client_id,
        audience=token_request.named,
        scope=token_request.scope,
        secret_digest=digest(secret),
        current=_FIRST_SERIAL,
        status=status,
        touched_at=tx.now,
        expires_at=session.expires_at,
        jkt=token_request.jkt,
        claims=token_request.claims,
        browser_session_id=browser_session_id,
        organization_id="" if organization is None else organization.id,
    )
    await tx.grants.add(grant)
    subject = _subject(session, grant, token_request, user.roles)
    return Opened(
        subject=msgspec.structs.replace(subject, organization=organization),
        refresh_token=RefreshToken(
            grant_id=decode_id(grant_id.removeprefix(f"{GRANT_PREFIX}_")),
            serial=_FIRST_SERIAL,
            secret=secret,
            in_cookie=token_request.cookie,
        ),
        token_id=secrets.token_urlsafe(_TOKEN_ID_BYTES),
        now=tx.now,
        password=await password_digest(tx, user.id) if token_request.cookie else b"",
    )


async def password_digest(tx: Transaction, user_id: str) -> bytes:
    """Identifies a user's current password, without helping to guess it."""
    return digest_of_password(await tx.passwords.of(user_id))


def digest_of_password(password_hash: str | None) -> bytes:
    """The same, from the hash."""
    return hashlib.sha256((password_hash or "").encode()).digest()


def digest(secret: bytes) -> bytes:
    """The stored digest of a grant's secret. It is random, so a plain hash is enough."""
    return hashlib.sha256(secret).digest()


def _subject(session: Session, grant: Grant, token_request: TokenRequest, roles: Sequence[str]) -> TokenSubject:
    return TokenSubject(
        user_id=session.user_id,
        session_id=session.id,
        client_id=grant.client_id,
        audience=token_request.audience,
        scope=grant.scope,
        client_sector=token_request.sector,
        roles=tuple(roles),
        auth_time=session.auth_time,
        acr=session.acr,
        amr=session.amr,
        status=grant.status,
        expires_at=grant.expires_at,
        jkt=grant.jkt,
        claims=grant.claims,
        browser_session_id=grant.browser_session_id,
    )
