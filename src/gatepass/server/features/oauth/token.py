"""`POST /oauth/token` (RFC 6749 §3.2): a dictionary of grants."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.client_policy import ClientPolicy
from gatepass.server.domain.sessions.grant import Advanced, Ended, Reissued, Same, Stolen, Unknown
from gatepass.server.domain.sessions.refresh_credentials import read_in_body, refresh_credential
from gatepass.server.domain.sessions.rotation import advance
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.client import ClientForm
from gatepass.server.web.auth.requirements import CLIENT
from gatepass.server.web.routing import Route
from gatepass.tokens import refresh_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping

    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.grant import Held, MovedOn, RefreshCredential
    from gatepass.server.domain.sessions.token_issuer import IssuedToken
    from gatepass.server.web.call import Call


class TokenForm(ClientForm, frozen=True, kw_only=True):
    """RFC 6749 §4.4.2, §6. Fields that we do not know are ignored, as §3.2 asks for.

    `resource` is RFC 8707's name for an audience, `audience` what many write; both may be repeated, and nothing else.
    """

    grant_type: str
    refresh_token: str | None = None
    scope: str | None = None
    audience: tuple[str, ...] = ()
    resource: tuple[str, ...] = ()

    @property
    def target(self) -> tuple[str, ...]:
        """What the token is to be for."""
        return (*self.resource, *self.audience)


class TokenAnswer(Confidential, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 6749 §5.1; `expires_in` in seconds."""

    access_token: str
    expires_in: int
    token_type: str
    refresh_token: str | None = None
    scope: str | None = None


def routes(core: Core) -> tuple[Route, ...]:
    """The call. Its errors are those of RFC 6749 §5.2."""
    return (
        Route(
            method="POST",
            path="/oauth/token",
            handler=partial(token, core),
            auth=CLIENT,
            summary="Get a token (OAuth 2)",
            form=TokenForm,
            answers={200: TokenAnswer},
            problems=(
                "invalid_grant",
                "unauthorized_client",
                "unsupported_grant_type",
                "invalid_scope",
                "invalid_target",
                "invalid_dpop_proof",
            ),
        ),
    )


async def token(core: Core, call: Call, form: TokenForm) -> Response:
    """Serve the grant that is asked for."""
    grant = GRANTS.get(form.grant_type)
    if grant is None:
        raise Refusal("unsupported_grant_type", "The grant type is none that is served here.")
    if form.grant_type not in call.client.grant_types:
        raise Refusal("unauthorized_client", "The client was not given this grant type.")
    return await grant(core, call.client, form, await core.dpop.thumbprint(call.request))


async def _client_credentials(core: Core, client: Client, form: TokenForm, jkt: str | None) -> Response:
    """RFC 6749 §4.4: a token for the client itself, and no refresh token (§4.4.3)."""
    with _as_invalid_target():
        token_request = ClientPolicy.of_client(client, core.settings.issuer_url).check(
            audience=form.target, scope=form.scope, jkt=jkt
        )
    now = await core.database.read(_now)
    issued = await core.token_issuer.mint_for_client(client, token_request, keys=core.keys.current, now=now)
    return _answer(issued)


async def _refresh(core: Core, client: Client, form: TokenForm, jkt: str | None) -> Response:
    """RFC 6749 §6: with the grant's audience and scopes, or those of them that are asked for this time."""
    keys = core.keys.current
    token = read_in_body(form.refresh_token or "", keys.refresh_keys)
    if token is None:
        raise _invalid_grant("invalid_refresh_token")

    presents = refresh_credential(token, client.id, jkt)
    await _check_narrowing(core, presents, form, ClientPolicy.of_client(client, core.settings.issuer_url))

    async def unit(tx: Transaction) -> tuple[MovedOn, float] | Refusal:
        verdict = await advance(tx, presents, pace=core.rotation)
        match verdict:
            case Advanced() | Same() | Reissued():
                return verdict, tx.now
            case Stolen():
                return _invalid_grant("refresh_token_reused")
            case Ended():
                return _invalid_grant("session_ended")
            case Unknown():
                return _invalid_grant("invalid_refresh_token")
            case _:
                assert_never(verdict)

    core.database.check_settled()
    moved, now = await decide(core.database, unit, is_lone_statement=True)
    with _as_invalid_target():
        client_policy = ClientPolicy.behind(moved.subject, core.settings)
        subject = client_policy.today(moved.subject, audience=form.target, scope=form.scope)
    issued = await core.token_issuer.mint(subject, keys=keys, now=now)
    current = msgspec.structs.replace(token, serial=moved.serial)
    return _answer(issued, refresh_token.mint(current, keys.refresh_key))


Grant: TypeAlias = "Callable[[Core, Client, TokenForm, str | None], Awaitable[Response]]"
"""The client, what it asks for, and the thumbprint of the key that it has proved to have, if any."""

GRANTS: Mapping[str, Grant] = {"client_credentials": _client_credentials, "refresh_token": _refresh}
"""What each grant type answers with, once it is known that the client was given it."""


async def _check_narrowing(
    core: Core, presents: RefreshCredential, form: TokenForm, client_policy: ClientPolicy
) -> None:
    """Refuse what is asked for beyond the grant before it is moved on: the client will ask again with the same."""
    if form.scope is None and not form.target:
        return

    async def unit(tx: Transaction) -> Held | None:
        return await tx.grants.held_by(presents)

    held = await core.database.read(unit)
    if held is not None and held.client_id == presents.client_id and held.is_usable:
        with _as_invalid_target():
            client_policy.narrow(held.audience, held.scope, audience=form.target, scope=form.scope)


@contextmanager
def _as_invalid_target() -> Generator[None]:
    """OAuth's name for an audience that is not to be had (RFC 8707 §2)."""
    try:
        yield
    except Refusal as error:
        raise Refusal("invalid_target" if error.code == "invalid_audience" else error.code, error.detail) from error


async def _now(tx: Transaction) -> float:
    return tx.now


def _answer(issued: IssuedToken, refresh: str | None = None) -> Response:
    return JsonResponse(
        TokenAnswer(
            access_token=issued.token,
            token_type=issued.token_type,
            expires_in=issued.expires_in,
            refresh_token=refresh,
            scope=issued.scope,
        )
    )


def _invalid_grant(why: str) -> Refusal:
    """RFC 6749 §5.2; which of our own codes it is stands in the description, for the client's log."""
    return Refusal("invalid_grant", why)
