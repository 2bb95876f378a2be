"""The grant type `urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693): one service acts for who called it.

An exchanged token takes the place of its subject's in the status list. So whatever ends the person's grant ends the
whole tree of tokens that came of it, at every verifier within a second, and nothing has to be remembered of the tree.
Beside it the token names the places of the clients that have exchanged it, so that disabling one of them cuts off the
branch that it is on (ADR 0031).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from gatepass.jose.errors import JoseError
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.sessions.client_policy import as_registered
from gatepass.server.domain.sessions.impersonation import is_impersonation
from gatepass.server.domain.sessions.token_issuer import Delegation
from gatepass.server.features.oauth.token.request import TokenAnswer
from gatepass.server.web.answers import JsonResponse
from gatepass.tokens.access_token import AccessToken
from gatepass.verify.frozen_claims import thawed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.features.oauth.token.request import TokenForm
    from gatepass.verify import Principal

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a kind
_TAKEN = (ACCESS_TOKEN, "urn:ietf:params:oauth:token-type:jwt")
MOST_ACTORS = 4
"""How deep actors may be nested: each is one more service between the person and what is done in their name."""
_MOST_PLACES = 2 * MOST_ACTORS
"""How many places in status lists a token names: of each service, and of whom it acts for in its turn."""

Actor = dict[str, Any]


class ExchangeAnswer(TokenAnswer, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 8693 §2.2.1."""

    issued_token_type: str


async def token_exchange(core: Core, client: Client, form: TokenForm, jkt: str | None) -> Response:
    """Exchange a live access token that was sent to this client for one that it may send on."""
    if client.is_public:
        raise Refusal("unauthorized_client", "A public client cannot prove to be the actor.")
    _check_types(form)
    subject = await _live(core, form.subject_token, client.audience)
    if subject.key_thumbprint is not None and jkt is None:
        raise _invalid("A token that is bound to a key is exchanged for one that is: send a DPoP proof.")
    actor_token = await _actor_token(core, client, form)
    actor = client.id if actor_token is None else actor_token.subject
    audience = _audience(client, form.target)
    scope = _scope(client, subject, form.scope)
    _check_may_act(subject, actor)
    acting = () if actor_token is None else actor_token.every_status
    if len(subject.actor_statuses) + len(acting) >= _MOST_PLACES or _depth(subject.claims.get("act")) >= MOST_ACTORS:
        raise _invalid(f"A token is exchanged {MOST_ACTORS} times at most.")
    act = None if client.rules.may_impersonate and actor_token is None else _act(subject, actor)
    now = core.clock()
    delegation = Delegation(
        subject=_claims(subject),
        client_id=client.id,
        audience=audience,
        scope=scope,
        act=act,
        status=client.status,
        acting=acting,
        jkt=jkt,
    )
    issued = await core.token_issuer.mint_exchanged(delegation, keys=core.keys.current, now=now)
    if act is None:
        await _record_impersonation(core, subject, client)
    return JsonResponse(
        ExchangeAnswer(
            access_token=issued.token,
            token_type=issued.token_type,
            expires_in=issued.expires_in,
            scope=issued.scope,
            issued_token_type=ACCESS_TOKEN,
        )
    )


def _check_types(form: TokenForm) -> None:
    """RFC 8693 §2.1: which kinds of token are meant. ID tokens and refresh tokens are none of them."""
    if not form.subject_token or form.subject_token_type not in _TAKEN:
        raise _invalid("The exchange needs a subject_token, which is an access token.")
    if form.requested_token_type not in (None, *_TAKEN):
        raise _invalid("What is issued is an access token.")
    if (form.actor_token is None) != (form.actor_token_type is None) or form.actor_token_type not in (None, *_TAKEN):
        raise _invalid("An actor_token goes with its actor_token_type, and is an access token.")


async def _live(core: Core, token: str | None, audience: tuple[str, ...]) -> Principal:
    """A token of ours that is for one of the audiences and not revoked: whoever merely sees one cannot trade it.

    A client without an audience of its own trades none: the issuer is that of nearly every token.
    """
    if not audience:
        raise _invalid("The client has no API of its own that tokens are sent to.")
    try:
        principal = core.own_tokens.look_at(token or "", audience)
    except JoseError as error:
        raise _invalid("The token is not valid, or not for this client.") from error
    if await core.revocation_check.is_revoked(principal):
        raise _invalid("The token is not valid, or not for this client.")
    if is_impersonation(principal):
        raise _invalid("An operator's token in another person's name is not exchanged.")
    return principal


async def _actor_token(core: Core, client: Client, form: TokenForm) -> Principal | None:
    """Whom the client acts for in its turn, by a token that it got itself; None: it acts alone."""
    if form.actor_token is None:
        return None
    try:
        actor = core.own_tokens.look_at_any(form.actor_token)
    except JoseError as error:
        raise _invalid("The actor_token is not valid.") from error
    if actor.client_id != client.id or await core.revocation_check.is_revoked(actor):
        raise _invalid("The actor_token is not valid, or not this client's.")
    return actor


def _check_may_act(subject: Principal, actor: str) -> None:
    """RFC 8693 §4.4: where the token says who may act, nobody else may, in their own name or in none."""
    may_act = subject.claims.get("may_act")
    if may_act is not None and cast("Mapping[str, object]", may_act).get("sub") != actor:
        raise _invalid("The subject_token names another actor.")


def _act(subject: Principal, actor: str) -> Actor:
    """RFC 8693 §4.1: this actor around those before."""
    former = subject.claims.get("act")
    return {"sub": actor} if former is None else {"sub": actor, "act": thawed(former)}


def _depth(act: object) -> int:
    depth = 0
    while act is not None:
        act, depth = cast("Mapping[str, object]", act).get("act"), depth + 1
    return depth


def _audience(client: Client, wanted: Sequence[str]) -> tuple[str, ...]:
    """What the new token is for: what is asked, of what the operator allows; the only one needs no asking."""
    allowed = client.rules.exchange_audience
    named = [registered for name in wanted if (registered := as_registered(name, allowed)) is not None]
    audience = tuple(dict.fromkeys(named)) if wanted else allowed[:1] * (len(allowed) == 1)
    if not audience or len(named) < len(wanted):
        raise Refusal("invalid_target", "The client may not exchange tokens for this resource or audience.")
    return audience


def _scope(client: Client, subject: Principal, wanted: str | None) -> tuple[str, ...]:
    """Scopes only narrow: what the subject's token has, and the client may have."""
    both = tuple(scope for scope in sorted(subject.scopes) if scope in client.scope)
    scope = both if wanted is None else tuple(dict.fromkeys(wanted.split()))
    if not set(scope) <= set(both):
        raise Refusal("invalid_scope", "An exchanged token has no more scopes than the one before, or than the client.")
    return scope


def _claims(subject: Principal) -> AccessToken:
    return msgspec.convert(thawed(subject.claims), AccessToken)


async def _record_impersonation(core: Core, subject: Principal, client: Client) -> None:
    async def unit(tx: Transaction) -> None:
        await record(tx, "impersonated", subject.subject, actor=client.id, session_id=subject.session_id or "")

    await core.database.transaction(unit, shared=True)


def _invalid(why: str) -> Refusal:
    """RFC 8693 §2.2.2: a subject or actor token that is no good is an invalid request too."""
    return Refusal("invalid_request", why)
