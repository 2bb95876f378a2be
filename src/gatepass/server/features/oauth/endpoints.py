"""`POST /oauth/token`, `/oauth/revoke` and `/oauth/introspect`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from gatepass.jose.errors import JoseError
from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal, Unavailable
from gatepass.server.domain.ports import decide
from gatepass.server.domain.revocation.log import MOST_TOKENS
from gatepass.server.domain.sessions.client_policy import ClientPolicy
from gatepass.server.domain.sessions.grant import Advanced, Ended, Reissued, Same, Stolen, Unknown
from gatepass.server.domain.sessions.own_tokens import status_of
from gatepass.server.domain.sessions.refresh_credentials import refresh_credential
from gatepass.server.domain.sessions.revoke import end_grant
from gatepass.server.domain.sessions.rotation import advance, pace_of
from gatepass.server.features.oauth.name_quota import NameQuota
from gatepass.server.web.answers import JsonResponse, empty
from gatepass.server.web.auth.client import ClientForm
from gatepass.server.web.auth.requirements import CLIENT
from gatepass.server.web.routing import Route
from gatepass.tokens import refresh_token

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.grant import Held, MovedOn, RefreshCredential
    from gatepass.server.domain.sessions.token_issuer import IssuedToken
    from gatepass.server.web.call import Call
    from gatepass.tokens.refresh_token import RefreshKey, RefreshToken
    from gatepass.verify import Principal


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


class TokenToLookAt(ClientForm, frozen=True, kw_only=True):
    """RFC 7009 §2.1 and RFC 7662 §2.1. The hint is not needed: our two kinds of token look different."""

    token: str
    token_type_hint: str | None = None


class Introspected(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 7662 §2.2. Of a token that is not active, nothing else is said."""

    active: bool
    token_type: str | None = None
    iss: str | None = None
    sub: str | None = None
    aud: Any = None
    client_id: str | None = None
    scope: str | None = None
    exp: int | None = None
    iat: int | None = None
    jti: str | None = None
    sid: str | None = None
    roles: tuple[str, ...] = ()
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    cnf: dict[str, str] | None = None


class OAuth:
    """The flow."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._token_issuer = core.token_issuer
        self._own_tokens = core.own_tokens
        self._dpop = core.dpop
        self._revocation_check = core.revocation_check
        self._indexes = core.indexes
        self._names = NameQuota()
        self._keys = core.keys
        self._settings = core.settings
        self._issuer = core.settings.issuer_url
        self._pace = pace_of(core.settings)

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls. Their errors are RFC 6749's."""
        return (
            Route(
                method="POST",
                path="/oauth/token",
                handler=self.token,
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
            Route(
                method="POST",
                path="/oauth/revoke",
                handler=self.revoke,
                auth=CLIENT,
                summary="Revoke a token (RFC 7009)",
                form=TokenToLookAt,
                answers={200: None},
                problems=("too_many_revoked_tokens",),
            ),
            Route(
                method="POST",
                path="/oauth/introspect",
                handler=self.introspect,
                auth=CLIENT,
                summary="Ask what a token is worth (RFC 7662)",
                form=TokenToLookAt,
                answers={200: Introspected},
            ),
        )

    # ── tokens ──

    async def token(self, call: Call, form: TokenForm) -> Response:
        """Serve the grant that is asked for."""
        client = call.client
        match form.grant_type:
            case "client_credentials" | "refresh_token" if form.grant_type not in client.grant_types:
                raise Refusal("unauthorized_client", "The client was not given this grant type.")
            case "client_credentials":
                return await self._client_credentials(client, form, await self._dpop.thumbprint(call.request))
            case "refresh_token":
                return await self._refresh(client, form, await self._dpop.thumbprint(call.request))
            case _:
                raise Refusal("unsupported_grant_type", "The grant type is none that is served here.")

    async def _client_credentials(self, client: Client, form: TokenForm, jkt: str | None) -> Response:
        """RFC 6749 §4.4: a token for the client itself, and no refresh token (§4.4.3)."""
        with _as_invalid_target():
            token_request = ClientPolicy.of_client(client, self._issuer).check(
                audience=form.target, scope=form.scope, jkt=jkt
            )
        now = await self._database.read(_now)
        issued = await self._token_issuer.mint_for_client(client, token_request, keys=self._keys.current, now=now)
        return _answer(issued)

    async def _refresh(self, client: Client, form: TokenForm, jkt: str | None) -> Response:
        """RFC 6749 §6: with the grant's audience and scopes, or those of them that are asked for this time."""
        keys = self._keys.current
        token = _read(form.refresh_token or "", keys.refresh_keys)
        if token is None:
            raise _invalid_grant("invalid_refresh_token")

        presents = refresh_credential(token, client.id, jkt)
        await self._check_narrowing(presents, form, ClientPolicy.of_client(client, self._issuer))

        async def unit(tx: Transaction) -> tuple[MovedOn, float] | Refusal:
            verdict = await advance(tx, presents, pace=self._pace)
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

        self._database.check_settled()
        moved, now = await decide(self._database, unit, is_lone_statement=True)
        with _as_invalid_target():
            client_policy = ClientPolicy.behind(moved.bearer, self._settings)
            bearer = client_policy.today(moved.bearer, audience=form.target, scope=form.scope)
        issued = await self._token_issuer.mint(bearer, keys=keys, now=now)
        current = msgspec.structs.replace(token, serial=moved.serial)
        return _answer(issued, refresh_token.mint(current, keys.refresh_key))

    async def _check_narrowing(self, presents: RefreshCredential, form: TokenForm, client_policy: ClientPolicy) -> None:
        """Refuse what is asked for beyond the grant before it is moved on: the client will ask again with the same."""
        if form.scope is None and not form.target:
            return

        async def unit(tx: Transaction) -> Held | None:
            return await tx.grants.held_by(presents)

        held = await self._database.read(unit)
        if held is not None and held.client_id == presents.client_id and held.is_usable:
            with _as_invalid_target():
                client_policy.narrow(held.audience, held.scope, audience=form.target, scope=form.scope)

    # ── revocation ──

    async def revoke(self, call: Call, form: TokenToLookAt) -> Response:
        """Revoke the asking client's token; another's or an unknown one is left alone, and the answer is the same."""
        client = call.client
        refresh = _read(form.token, self._keys.current.refresh_keys)
        if refresh is not None:
            await self._revoke_grant(client, refresh)
        else:
            await self._revoke_access_token(client, form.token)
        return empty()

    async def _revoke_grant(self, client: Client, token: RefreshToken) -> None:
        """The refresh token and every access token that came of its grant (RFC 7009 §2.1)."""

        async def unit(tx: Transaction) -> None:
            held = await tx.grants.held_by(refresh_credential(token, client.id))
            if held is not None and held.client_id == client.id:
                await end_grant(tx, held.grant_id)

        await self._database.transaction(unit)

    async def _revoke_access_token(self, client: Client, token: str) -> None:
        """Whatever it is for: the API may have been taken from the client since.

        One that belongs to a grant dies with what else was minted for the grant just now, which goes on at another
        place: that costs nobody who follows more than a bit. Only a client's own tokens go by name, and never by text:
        signatures are malleable, so the text is not one thing.
        """
        try:
            principal = self._own_tokens.look_at_any(token)
        except JoseError:
            return
        if principal.client_id != client.id:
            return
        if principal.session_id is not None:
            await self._move_grant(principal)
        else:
            await self._revoke_by_name(client, principal)

    async def _move_grant(self, principal: Principal) -> None:
        was_at, place = status_of(principal), await self._indexes.next()

        async def unit(tx: Transaction) -> None:
            grant_id = None if was_at is None else await tx.grants.at(was_at)
            if was_at is not None and grant_id is not None:  # else it is dead already
                await tx.revocations.revoke_indexes([was_at], tx.now)
                await tx.grants.move([(grant_id, place)])

        await self._database.transaction(unit)

    async def _revoke_by_name(self, client: Client, principal: Principal) -> None:
        async def unit(tx: Transaction) -> bool:
            jti = principal.token_id or ""
            if await tx.revocations.is_revoked(status=status_of(principal), jti=jti, now=tx.now):
                return True
            if not await self._names.take(tx, client.id):
                return False
            await tx.revocations.revoke_token(jti, client_id=client.id, expires_at=principal.expires_at)
            return True

        if not await self._database.transaction(unit):
            # RFC 7009 §2.2.1: after a 503 the client must assume that the token still exists.
            raise Unavailable(
                "too_many_revoked_tokens",
                "The client has as many tokens revoked as readers can be told of; try again when some have expired.",
                private=f"the client's share of {MOST_TOKENS} names is used up: {client.id}",
                retry_after=60,
            )

    # ── introspection ──

    async def introspect(self, call: Call, form: TokenToLookAt) -> Response:
        """Tell a client about a token that is meant for it: one of its audiences, or its own refresh token."""
        client = call.client
        refresh = _read(form.token, self._keys.current.refresh_keys)
        if refresh is not None:
            return JsonResponse(await self._introspect_refresh_token(client, refresh))
        return JsonResponse(await self._introspect_access_token(client, form.token))

    async def _introspect_access_token(self, client: Client, token: str) -> Introspected:
        try:
            principal = self._own_tokens.look_at(token, client.audience_at(self._issuer))
        except JoseError:
            return _INACTIVE
        if await self._revocation_check.is_revoked(principal):
            return _INACTIVE
        claims = principal.claims
        return Introspected(
            active=True,
            token_type="DPoP" if principal.key_thumbprint else "Bearer",
            iss=claims["iss"],
            sub=principal.subject,
            aud=claims["aud"],
            client_id=principal.client_id,
            scope=claims.get("scope"),
            exp=claims["exp"],
            iat=claims["iat"],
            jti=principal.token_id,
            sid=principal.session_id,
            roles=tuple(claims.get("roles", ())),
            auth_time=claims.get("auth_time"),
            acr=principal.acr,
            amr=tuple(claims.get("amr", ())),
            cnf=_bound_to(principal.key_thumbprint),
        )

    async def _introspect_refresh_token(self, client: Client, token: RefreshToken) -> Introspected:
        async def unit(tx: Transaction) -> tuple[Held | None, float]:
            return await tx.grants.held_by(refresh_credential(token, client.id)), tx.now

        held, now = await self._database.read(unit)
        if held is None or held.client_id != client.id or not held.is_usable or held.expires_at <= now:
            return _INACTIVE
        _, scope = ClientPolicy.of_client(client, self._issuer).left_of(held.audience, held.scope)
        return Introspected(
            active=True,
            token_type="refresh_token",  # noqa: S106 - the kind, not a token
            sub=held.user_id,
            client_id=held.client_id,
            scope=" ".join(scope) or None,
            exp=int(held.expires_at),
            sid=held.session_id,
            cnf=_bound_to(held.jkt),
        )


_INACTIVE = Introspected(active=False)


@contextmanager
def _as_invalid_target() -> Generator[None]:
    """OAuth's name for an audience that is not to be had (RFC 8707 §2)."""
    try:
        yield
    except Refusal as error:
        raise Refusal("invalid_target" if error.code == "invalid_audience" else error.code, error.detail) from error


async def _now(tx: Transaction) -> float:
    return tx.now


def _read(text: str, keys: Mapping[bytes, RefreshKey]) -> RefreshToken | None:
    """Read a refresh token of the kind that travels in bodies; None for everything else."""
    try:
        token = refresh_token.read(text, keys)
    except refresh_token.InvalidRefreshToken:
        return None
    return None if token.in_cookie else token


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


def _bound_to(thumbprint: str | None) -> dict[str, str] | None:
    return None if thumbprint is None else {"jkt": thumbprint}


def _invalid_grant(why: str) -> Refusal:
    """RFC 6749 §5.2; which of our own codes it is stands in the description, for the client's log."""
    return Refusal("invalid_grant", why)
