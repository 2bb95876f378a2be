"""What a client's tokens may be for today: read whenever a token is issued, never remembered from a sign-in.

A grant keeps the scopes that were granted and the audience that was named. What the client has lost since is missing
from the next token. A grant that named no audience has all of the client's, including later ones. A scope that was
added later is not included, because it was not granted (RFC 6749 §6).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings.tokens import ADMIN_IMPERSONATE, OPERATOR_SCOPES, SESSIONS_REVOKE, STREAM_SCOPES
from gatepass.server.domain.sessions.client import FIRST_PARTY, OPENID
from gatepass.server.domain.sessions.operator import admin_audience, everyday, is_for_operators, streams_audience
from gatepass.server.domain.sessions.token_request import TokenRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.grant import TokenSubject

_HOST_ALONE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]+/?")
_ISSUER = '"issuer"'
"""How a grant stores the issuer as audience, whose URL may change. No other audience is spelled so."""


class ClientPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The audience and scopes that a client may have."""

    client_id: str
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    issuer: str
    sector: str = ""
    operator_scope: tuple[str, ...] = ()
    stream_scope: tuple[str, ...] = ()

    @classmethod
    def of_first_party(cls, settings: Settings) -> ClientPolicy:
        """The policy of the built-in client, from the settings."""
        return cls(
            client_id=FIRST_PARTY,
            audience=settings.first_party_audience,
            scope=settings.scopes,
            issuer=settings.issuer_url,
            operator_scope=operator_scopes(has_impersonation=settings.impersonation),
        )

    @classmethod
    def of_client_itself(cls, client: Client, issuer: str) -> ClientPolicy:
        """The policy of a registered client for tokens of its own (RFC 6749 §4.4), among them an operator's."""
        is_service = client.origin == "cli" and client.grant_types == ("client_credentials",)
        operator_scope = tuple(name for name in client.scope if name in OPERATOR_SCOPES) if is_service else ()
        stream_scope = tuple(name for name in client.scope if name in STREAM_SCOPES)
        return msgspec.structs.replace(
            cls.of_client(client, issuer), operator_scope=operator_scope, stream_scope=stream_scope
        )

    @classmethod
    def of_client(cls, client: Client, issuer: str) -> ClientPolicy:
        """The policy of a registered client."""
        return cls(
            client_id=client.id,
            audience=client.audience_at(issuer),
            scope=everyday(client.scope),
            issuer=issuer,
            sector=client.sector,
        )

    @classmethod
    def behind(cls, subject: TokenSubject, settings: Settings) -> ClientPolicy:
        """The policy of the client of a grant."""
        if subject.client_scope is None:
            return cls.of_first_party(settings)
        issuer = settings.issuer_url
        audience = subject.client_audience or (issuer,)
        return cls(client_id=subject.client_id, audience=audience, scope=everyday(subject.client_scope), issuer=issuer)

    def check(
        self, *, audience: Sequence[str] = (), scope: str | None = None, cookie: bool = False, jkt: str | None = None
    ) -> TokenRequest:
        """Check the requested audience and scopes; by default all.

        Scopes of operators and of receivers are never among them, unless they are named, alone.

        Raises:
            Refusal: `invalid_audience` or `invalid_scope`.
        """
        if scope is not None and is_for_operators(scope.split()):
            if cookie:
                raise Refusal("invalid_scope", "Operators' scopes are not given in cookie mode.")
            only = admin_audience(self.issuer)
            return self._alone(only, self.operator_scope, audience=audience, scope=scope, jkt=jkt)
        if scope is not None and not STREAM_SCOPES.isdisjoint(scope.split()):
            only = streams_audience(self.issuer)
            return self._alone(only, self.stream_scope, audience=audience, scope=scope, jkt=jkt)
        named = _some_of(self.audience, audience)
        has_scope = self.scope if scope is None else _scopes_of(self.scope, scope)
        return TokenRequest(
            client_id=self.client_id,
            audience=named or self._with_userinfo(self.audience, has_scope),
            scope=has_scope,
            cookie=cookie,
            named=tuple(_ISSUER if name == self.issuer else name for name in named),
            jkt=jkt,
            sector=self.sector,
        )

    def _alone(
        self, only: str, may: tuple[str, ...], *, audience: Sequence[str], scope: str, jkt: str | None
    ) -> TokenRequest:
        """Rights at this server are asked for alone: their token opens nothing else, and is kept in no cookie."""
        return TokenRequest(
            client_id=self.client_id,
            audience=_some_of((only,), audience) or (only,),
            scope=_scopes_of(may, scope),
            cookie=False,
            named=(only,),
            jkt=jkt,
            sector=self.sector,
        )

    def today(self, subject: TokenSubject, *, audience: Sequence[str] = (), scope: str | None = None) -> TokenSubject:
        """What a grant's tokens may say today, narrowed to a request if there is one (RFC 6749 §6, RFC 8707 §2.2).

        Raises:
            Refusal: `invalid_audience`, also where all that the grant named is gone, or `invalid_scope`.
        """
        has_audience, has_scope = self.narrow(subject.audience, subject.scope, audience=audience, scope=scope)
        return msgspec.structs.replace(subject, audience=has_audience, scope=has_scope)

    def narrow(
        self, kept_audience: Sequence[str], kept_scope: Sequence[str], *, audience: Sequence[str], scope: str | None
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Audience and scope for one token of a grant. Raises as `today`."""
        has_audience, has_scope = self.left_of(kept_audience, kept_scope)
        token_scope = has_scope if scope is None else _scopes_of(has_scope, scope)
        named = _some_of(has_audience, audience) or (has_audience if kept_audience else ())
        return named or self._with_userinfo(has_audience, token_scope), token_scope

    def _with_userinfo(self, audience: tuple[str, ...], scope: Sequence[str]) -> tuple[str, ...]:
        """A token that names nothing opens UserInfo too, which is at the issuer, where it has the scope for that."""
        return tuple(dict.fromkeys((*audience, self.issuer))) if OPENID in scope else audience

    def left_of(self, audience: Sequence[str], scope: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What a grant may still have: audience and scope.

        Raises:
            Refusal: `invalid_audience`, where that is nothing.
        """
        named = [self.issuer if name == _ISSUER else name for name in audience]
        left = tuple(name for name in named if name in self.audience) if named else self.audience
        if not left:
            raise Refusal("invalid_audience", "The client has lost the audience of this sign-in: sign in again.")
        return left, tuple(name for name in scope if name in self.scope)


def operator_scopes(*, has_impersonation: bool) -> tuple[str, ...]:
    """What an operator in person may ask for. To end sessions alone is for programs: `admin:write` has it."""
    without = {SESSIONS_REVOKE} if has_impersonation else {SESSIONS_REVOKE, ADMIN_IMPERSONATE}
    return tuple(OPERATOR_SCOPES - without)


def as_registered(name: str, allowed: Sequence[str]) -> str | None:
    """An audience as it is registered, since that goes into `aud`; None where it is not among the allowed ones.

    One slash after a host alone is forgiven: URL libraries add it (RFC 3986 §6.2.3).
    """
    if name in allowed:
        return name
    other = name.removesuffix("/") if name.endswith("/") else f"{name}/"
    return other if other in allowed and _HOST_ALONE.fullmatch(name) else None


def _some_of(allowed: tuple[str, ...], token_request: Sequence[str]) -> tuple[str, ...]:
    named = [registered for name in token_request if (registered := as_registered(name, allowed)) is not None]
    if len(named) < len(token_request):
        raise Refusal("invalid_audience", "The client may not request tokens for this audience.")
    return tuple(dict.fromkeys(named))


def _scopes_of(allowed: tuple[str, ...], token_request: str) -> tuple[str, ...]:
    scopes = tuple(dict.fromkeys(token_request.split()))
    if not set(scopes) <= set(allowed):
        raise Refusal("invalid_scope", "The client may not request all of these scopes.")
    return scopes
