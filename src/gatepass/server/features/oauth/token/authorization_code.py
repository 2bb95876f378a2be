"""The grant type `authorization_code` (RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 9449 §10)."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from gatepass.jose import base64url
from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.organizations.activating import active_organization
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.authorization import resource_to_agree_to
from gatepass.server.domain.sessions.authorization_code import RELOAD_SECONDS
from gatepass.server.domain.sessions.open import open_grant
from gatepass.server.domain.sessions.revoke import end_grant
from gatepass.server.features.oauth.token.issue import (
    issue,
    kind_of_own_session,
    live_client,
    own_session,
    token_request_of,
    too_wide,
)
from gatepass.server.features.oauth.token.request import FailedGrant, invalid_grant

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.domain.sessions.authorization_code import AuthorizationCode
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.open import Opened
    from gatepass.server.features.oauth.token.request import TokenForm

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
"""RFC 7636 §4.1."""
_REFUSED = "The code is unknown, too old, used, or not this client's."
"""One sentence for every reason: whoever holds a code that is not theirs learns nothing from it."""


class Presented(msgspec.Struct, frozen=True, kw_only=True):
    """A code as a client presents it. `jkt` is the key that it has proved to have; None for none."""

    client: Client
    form: TokenForm
    jkt: str | None
    now: float


class Redeemed(msgspec.Struct, frozen=True):
    """A code that is used up now, the grant that it has made, and its client as it was then."""

    client: Client
    code: AuthorizationCode
    opened: Opened


class Reused(msgspec.Struct, frozen=True):
    """Somebody uses a code that was used before."""

    code: AuthorizationCode


def check_client(code: AuthorizationCode, presented: Presented) -> bool:
    """RFC 6749 §4.1.3: it was issued to this client."""
    return code.client_id == presented.client.id


def check_expiry(code: AuthorizationCode, presented: Presented) -> bool:
    """RFC 6749 §4.1.2: it lives for a minute."""
    return presented.now < code.expires_at


def check_redirect_uri(code: AuthorizationCode, presented: Presented) -> bool:
    """RFC 6749 §4.1.3: the redirect URI of the request; OAuth 2.1 does without where a verifier is sent."""
    sent = presented.form.redirect_uri
    return sent == code.request.redirect_uri or (sent is None and bool(code.request.code_challenge))


def check_verifier(code: AuthorizationCode, presented: Presented) -> bool:
    """RFC 7636 §4.6; a verifier for no challenge means that somebody took the challenge away (RFC 9700 §4.8)."""
    challenge, verifier = code.request.code_challenge, presented.form.code_verifier
    if not challenge or verifier is None:
        return not challenge and verifier is None
    if not _VERIFIER.fullmatch(verifier):
        return False
    expected = base64url.encode(hashlib.sha256(verifier.encode()).digest())
    return hmac.compare_digest(expected, challenge)


def check_key(code: AuthorizationCode, presented: Presented) -> bool:
    """RFC 9449 §10: the key that the code is bound to."""
    return code.request.dpop_jkt in ("", presented.jkt)


Check: TypeAlias = "Callable[[AuthorizationCode, Presented], bool]"
CHECKS: tuple[Check, ...] = (check_client, check_expiry, check_redirect_uri, check_verifier, check_key)
"""What must hold before a code is used up: one that fails uses up nothing, so that a thief cannot burn it."""


async def authorization_code(core: Core, client: Client, form: TokenForm, jkt: str | None) -> Response:
    """Redeem a code. Its second use ends what the first has brought (RFC 6749 §4.1.2)."""
    if not form.code:
        raise Refusal("invalid_request", "The grant type authorization_code needs a code.")
    keys, status = core.keys.current, await core.indexes.next()
    await core.id_token_issuer.prepare(client, keys)
    code_digest = digest_of(form.code)

    async def whose(tx: Transaction) -> str:
        found = await tx.authorization_codes.by_digest(code_digest)
        return "" if found is None else found.user_id

    async def unit(tx: Transaction) -> Redeemed | Reused | Refusal:
        code = await tx.authorization_codes.by_digest(code_digest)
        if code is None:
            return FailedGrant(_REFUSED)
        live = await live_client(tx, client)
        if isinstance(live, Refusal):
            return live
        presented = Presented(client=live, form=form, jkt=jkt, now=tx.now)
        if code.used_at is not None:
            return invalid_grant(_REFUSED) if _is_reload(code, presented) else Reused(code)
        if not all(check(code, presented) for check in CHECKS):
            return FailedGrant(_REFUSED, user_id=code.user_id)
        if refused := too_wide(core, live, code.request, form):
            return refused
        return await _redeem(core, tx, code, presented, status)

    outcome: Redeemed | Reused = await decide(core.database, unit, about=whose, shared=True)
    if isinstance(outcome, Reused):
        await _end_reused(core, outcome.code)
        raise invalid_grant(_REFUSED)
    return await issue(core, outcome.client, form, outcome.code.request, outcome.opened, keys=keys)


async def _redeem(
    core: Core, tx: Transaction, code: AuthorizationCode, presented: Presented, status: StatusIndex
) -> Redeemed | Reused | Refusal:
    """Use the code up and open its grant, unless what it rests on has ended meanwhile.

    Of several at once, each with the verifier, one wins, and the others are as one that loads its page again.
    """
    session = await tx.sessions.live(code.session_id, tx.now)
    user = None if session is None else await tx.users.by_id(code.user_id)
    if session is None or user is None or user.closed is not None or not await _still_agrees(tx, code, presented):
        return FailedGrant(_REFUSED, user_id=code.user_id)
    organization = await active_organization(tx, user.id, code.request.organization)
    if isinstance(organization, Refusal):
        return FailedGrant(_REFUSED, user_id=code.user_id)
    if not await tx.authorization_codes.use(code.digest, tx.now):  # another has, at this moment
        return invalid_grant(_REFUSED) if code.request.code_challenge else Reused(code)
    kind, browser_session_id = kind_of_own_session(code.request, "browser"), session.known_as
    if kind != "browser":
        browser_session_id = session.sid
        own = await own_session(core, tx, user, session, client_id=code.client_id, kind=kind)
        if isinstance(own, Refusal):
            return own
        session = own
    token_request = token_request_of(code.request, presented.client, presented.jkt)
    opened = await open_grant(
        tx,
        user,
        session,
        token_request=token_request,
        status=status,
        grant_id=code.grant_id,
        browser_session_id=browser_session_id,
        organization=organization,
    )
    return Redeemed(presented.client, code, opened)


async def _still_agrees(tx: Transaction, code: AuthorizationCode, presented: Presented) -> bool:
    """Whether the person has not taken back what they agreed to, where they were asked."""
    if presented.client.rules.consent == "never":
        return True
    consent = await tx.consents.of(code.user_id, code.client_id)
    return consent is not None and consent.covers(
        code.request.scope_to_agree_to, resource_to_agree_to(code.request, presented.client)
    )


def _is_reload(code: AuthorizationCode, presented: Presented) -> bool:
    """Whether a browser has loaded the client's page again: the same client has the verifier, which no thief has."""
    is_soon = code.used_at is not None and presented.now - code.used_at <= RELOAD_SECONDS
    return (
        is_soon
        and bool(code.request.code_challenge)
        and check_client(code, presented)
        and check_verifier(code, presented)
    )


async def _end_reused(core: Core, code: AuthorizationCode) -> None:
    """End what the code has brought, everywhere: one of the two who used it is a thief."""

    async def unit(tx: Transaction) -> None:
        await end_grant(tx, code.grant_id, "authorization_code_reused")
        await record(
            tx, "authorization_code_reused", code.user_id, actor="", session_id=code.session_id, reason=code.client_id
        )

    await core.database.transaction(unit, about=code.user_id)
