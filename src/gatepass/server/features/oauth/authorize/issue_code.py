"""The act of answering an authorization request: a code, once for each interaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.authorization_code import CODE_SECONDS, AuthorizationCode, new_code
from gatepass.server.domain.sessions.open import GRANT_PREFIX
from gatepass.server.domain.sessions.recent import check_still
from gatepass.server.domain.sessions.requested_claims import limited_to

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.authorization_request import AuthorizationRequest
    from gatepass.server.domain.sessions.consent import Consent
    from gatepass.server.domain.sessions.interaction import Interaction


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...


async def issue_code(  # noqa: PLR0913 - what an answer is made of
    needs: Needs,
    interaction: Interaction,
    request: AuthorizationRequest,
    *,
    user: User,
    session_id: str,
    scope: tuple[str, ...],
    consent: Consent | None = None,
) -> str:
    """Make the code, for what was agreed to of the request, and remember the consent that was given, if one was.

    Raises:
        Refusal: `session_ended`, or `interaction_used` when the interaction was answered before.
    """
    code = new_code()

    async def unit(tx: Transaction) -> str | Refusal:
        if refused := await check_still(tx, user, session_id):
            return refused
        name = interaction.id
        if name and not await tx.used_once.use("interaction", name, expires_at=interaction.expires_at):
            return Refusal("interaction_used", "This request was answered before.")
        if interaction.pushed and not await tx.pushed_requests.use(interaction.pushed):
            return Refusal("interaction_used", "This request was answered before.")
        if consent is not None:
            earlier = await tx.consents.of(user.id, request.client_id)
            await tx.consents.put(
                msgspec.structs.replace(consent.joined(earlier, asked=request.scope_to_agree_to), given_at=tx.now)
            )
            await record(tx, "consent_given", user.id, session_id=session_id, reason=request.client_id)
        await tx.authorization_codes.add(
            AuthorizationCode(
                digest=digest_of(code),
                client_id=request.client_id,
                user_id=user.id,
                session_id=session_id,
                grant_id=new_id(GRANT_PREFIX),
                request=_agreed(request, scope),
                expires_at=tx.now + CODE_SECONDS,
            )
        )
        await tx.clients.note_use(request.client_id, tx.now)
        return code

    # What was agreed to before is read and joined: of two answers at once neither may be lost.
    return await decide(needs.database, unit, about=user.id, shared=consent is None)


def _agreed(request: AuthorizationRequest, scope: tuple[str, ...]) -> AuthorizationRequest:
    """The request without the scopes, and the claims, that the person did not agree to."""
    return msgspec.structs.replace(
        request,
        scope=tuple(each for each in request.scope if each in scope),
        claims_scope=tuple(each for each in request.claims_scope if each in scope),
        claims=limited_to(scope, request.claims),
        organization=request.organization if request.organization_scope in scope else "",
    )
