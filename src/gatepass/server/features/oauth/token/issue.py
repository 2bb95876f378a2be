"""From a grant that has just been opened to the answer: access token, ID token, refresh token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.hooks.gates import begin_session
from gatepass.server.domain.sessions.api import client_today
from gatepass.server.domain.sessions.authorization_request import OFFLINE_ACCESS, OPENID
from gatepass.server.domain.sessions.client_policy import ClientPolicy
from gatepass.server.domain.sessions.token_request import TokenRequest
from gatepass.server.features.oauth.token.request import FailedGrant, answer, as_invalid_target
from gatepass.tokens import refresh_token

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.keys.keyring import KeyRing
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.authorization_request import AuthorizationRequest
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.open import Opened
    from gatepass.server.domain.sessions.session import Session, SessionKind
    from gatepass.server.features.oauth.token.request import TokenForm


async def live_client(tx: Transaction, client: Client) -> Client | FailedGrant:
    """The client as it is now: since it was remembered it may have been disabled, or have lost rights.

    What disables it or takes its rights locks out every other unit, so what a grant is opened by here holds until the
    commit, and that grant is among those that are ended or moved.
    """
    live = await client_today(tx, client.id)
    return FailedGrant("The client is disabled.") if live is None or live.disabled_at is not None else live


def token_request_of(request: AuthorizationRequest, client: Client, jkt: str | None) -> TokenRequest:
    """What a grant is for: what was asked, and what the person agreed to of it."""
    return TokenRequest(
        client_id=request.client_id,
        audience=request.resource,
        named=request.resource,
        scope=request.scope,
        cookie=False,
        claims=request.claims,
        sector=client.sector,
        jkt=jkt,
    )


def kind_of_own_session(request: AuthorizationRequest, otherwise: SessionKind) -> SessionKind:
    """What session the client's grant hangs on: with offline access one of its own (OpenID Connect Core §11)."""
    return "offline" if OFFLINE_ACCESS in request.scope else otherwise


def too_wide(core: Core, client: Client, request: AuthorizationRequest, form: TokenForm) -> Refusal | None:
    """Say so when more resources are asked for than were agreed to, before anything is used up (RFC 8707 §2.2)."""
    policy = ClientPolicy.of_client(client, core.settings.issuer_url)
    try:
        with as_invalid_target():
            policy.narrow(request.resource, request.scope, audience=form.target, scope=None)
    except Refusal as refused:
        return refused
    return None


async def own_session(  # noqa: PLR0913 - whose, of what, and for whom
    core: Core, tx: Transaction, user: User, session: Session, *, client_id: str, kind: SessionKind
) -> Session | Refusal:
    """Open a session of the client's own, of the same sign-in as another; a logout in the browser does not end it.

    Refused as `begin_session`.
    """
    own = msgspec.structs.replace(
        session,
        id=new_id("ses"),
        kind=kind,
        client_id=client_id,
        known_as="",
        approved_in=session.sid,
        expires_at=tx.now + core.settings.session_max_seconds,
    )
    return await begin_session(tx, user, own) or own


async def issue(  # noqa: PLR0913 - what an answer is made of
    core: Core, client: Client, form: TokenForm, request: AuthorizationRequest, opened: Opened, *, keys: KeyRing
) -> Response:
    """Answer with a grant's first tokens."""
    with as_invalid_target():
        policy = ClientPolicy.of_client(client, core.settings.issuer_url)
        granted = msgspec.structs.replace(opened.subject, audience=request.resource)
        subject = policy.today(granted, audience=form.target)
    issued = await core.token_issuer.mint(subject, keys=keys, now=opened.now, first_id=opened.token_id)
    id_token = None
    if OPENID in subject.scope:
        id_token = await core.id_token_issuer.mint(
            subject,
            client=client,
            access_token=issued.token,
            nonce=request.nonce or None,
            keys=keys,
            now=opened.now,
        )
    may_refresh = "refresh_token" in client.grant_types
    refresh = refresh_token.mint(opened.refresh_token, keys.refresh_key) if may_refresh else None
    return answer(issued, refresh, id_token)
