"""The grant type `urn:ietf:params:oauth:grant-type:jwt-bearer` (RFC 7523 §2.1), and its profile ID-JAG.

An issuer that the operator trusts says who a client may act for. The token hangs on a grant and a session of the
client's own, like any other: what ends those of the person or of the client ends it at every verifier within a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.jose.errors import JoseError
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.identity_linking import BY_PROVIDER
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.hooks.gates import begin_session
from gatepass.server.domain.limits.used_once import use_name
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.authorization_request import OFFLINE_ACCESS
from gatepass.server.domain.sessions.client_policy import ClientPolicy, as_registered
from gatepass.server.domain.sessions.open import open_grant
from gatepass.server.domain.sessions.operator import everyday
from gatepass.server.domain.sessions.session import SINGLE_FACTOR, Session
from gatepass.server.features.oauth.token.issue import live_client
from gatepass.server.features.oauth.token.request import FailedGrant, answer, as_invalid_target

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.open import Opened
    from gatepass.server.domain.sessions.token_request import TokenRequest
    from gatepass.server.domain.sessions.trusted_issuers import TrustedAssertion
    from gatepass.server.features.oauth.token.request import TokenForm
    from gatepass.tokens.assertion_grant import AssertionGrant

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"


async def jwt_bearer(core: Core, client: Client, form: TokenForm, jkt: str | None) -> Response:
    """Trade an assertion about a person for an access token, once; there is no refresh token."""
    if not core.trusted_issuers:
        raise Refusal("unsupported_grant_type", "The server trusts no other issuer.")
    if client.is_public or client.is_self_registered:
        raise Refusal("unauthorized_client", "This grant type is for clients of the operator that prove themselves.")
    if not form.assertion:
        raise Refusal("invalid_request", "This grant type needs an assertion.")
    try:
        asserted = await core.trusted_issuers.check(form.assertion, client, now=await core.database.read(_now))
    except JoseError as error:
        raise FailedGrant(f"The assertion is refused: {error.code}.") from error
    keys, status = core.keys.current, await core.indexes.next()

    async def unit(tx: Transaction) -> Opened | Refusal:
        live = await live_client(tx, client)
        if isinstance(live, Refusal):
            return live
        try:
            token_request = _token_request(core, live, form, asserted, jkt)
        except Refusal as refused:
            return refused
        user = await _subject(tx, asserted.grant)
        if isinstance(user, Refusal):
            return user
        session = await _own_session(core, tx, user, client)
        if isinstance(session, Refusal):
            return session
        opened = await open_grant(tx, user, session, token_request=token_request, status=status)
        await record(tx, "signed_in", user.id, session_id=session.id, reason=BY_PROVIDER, jti=opened.token_id)
        return opened

    opened = await decide(core.database, unit)
    # When the person signed in, only the other issuer knows; where it does not say, no API is told anything.
    subject = msgspec.structs.replace(opened.subject, auth_time=asserted.grant.auth_time or 0)
    return answer(await core.token_issuer.mint(subject, keys=keys, now=opened.now, first_id=opened.token_id))


def _token_request(
    core: Core, client: Client, form: TokenForm, asserted: TrustedAssertion, jkt: str | None
) -> TokenRequest:
    """What the token is for: what is asked, of what assertion, operator and client's registration all allow."""
    grant, issuer = asserted.grant, core.settings.issuer_url
    targets = [name for name in client.audience_at(issuer) if name in asserted.audience]
    if grant.resource is not None:
        named = [as_registered(name, targets) for name in grant.resource]
        targets = [name for name in targets if name in named]
    may = everyday(client.scope)
    scopes = [name for name in may if name != OFFLINE_ACCESS and (grant.scope is None or name in grant.scope)]
    policy = ClientPolicy(
        client_id=client.id, audience=tuple(targets), scope=tuple(scopes), issuer=issuer, sector=client.sector
    )
    if not targets:
        raise Refusal("invalid_target", "The assertion opens no API that the client may have tokens for.")
    usual = client.rules.default_scope if grant.scope is None else grant.scope
    wanted = " ".join(name for name in usual if name in scopes) if form.scope is None else form.scope
    with as_invalid_target():
        return policy.check(audience=form.target or targets, scope=wanted, jkt=jkt)


async def _subject(tx: Transaction, grant: AssertionGrant) -> User | Refusal:
    """Whom it is about: by the connected account, never by an address, which can change owners. It is used up first."""
    name = f"{grant.issuer} {grant.jti}"
    if not await use_name(tx, "assertion_grant", "", name, expires_at=grant.expires_at):
        return FailedGrant("The assertion was used before.")
    found = await tx.identities.find(grant.issuer, grant.subject)
    user = None if found is None else await tx.users.by_id(found.user_id)
    if found is None or user is None or user.closed is not None:
        user_id = "" if found is None else found.user_id
        return FailedGrant("The assertion is about nobody who may sign in here.", user_id=user_id)
    await tx.identities.use(found.id, email=found.email, now=tx.now)
    return user


async def _own_session(core: Core, tx: Transaction, user: User, client: Client) -> Session | Refusal:
    """The client's own session, as long as the token. The person finds the client among their applications."""
    session = Session(
        id=new_id("ses"),
        user_id=user.id,
        auth_time=tx.now,
        acr=SINGLE_FACTOR,
        amr=(BY_PROVIDER,),
        address="",
        user_agent="",
        expires_at=tx.now + core.settings.access_token_seconds,
        kind="assertion",
        client_id=client.id,
    )
    return await begin_session(tx, user, session) or session


async def _now(tx: Transaction) -> float:
    return tx.now
