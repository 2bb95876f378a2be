"""Issuing access tokens for grants, after the commit, because signing may wait for a network."""

from __future__ import annotations

import random
import secrets
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import structlog

from gatepass.jose import jws
from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.user import application_roles
from gatepass.server.domain.sessions.operator import OPERATOR_SECONDS, is_for_operators
from gatepass.tokens import access_token
from gatepass.tokens.access_token import AccessToken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.keyring import KeyRing
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.custom_claims import CustomClaims
    from gatepass.server.domain.sessions.grant import TokenSubject
    from gatepass.server.domain.sessions.subject_identifier import SubjectIdentifiers
    from gatepass.server.domain.sessions.token_request import TokenRequest
    from gatepass.tokens.status_list import StatusReference

log = structlog.get_logger("gatepass")

LARGE_TOKEN_BYTES = 4_096
"""The size from which the operator is warned: browsers limit cookies here, and some proxies their buffers."""
LARGEST_TOKEN_BYTES = 7_168
"""The size above which no token is issued: nginx, Node and others accept 8 KiB of headers in total."""


_JTI_BYTES = 16
_JITTER = 0.03
"""The part of its life by which a refreshed token may expire early, so that many clients do not refresh at once."""


class IssuedToken(Confidential, frozen=True, kw_only=True):
    """An access token, and what the response says about it; `expires_in` in seconds."""

    token: str
    token_type: Literal["Bearer", "DPoP"]
    expires_in: int
    scope: str | None


class Delegation(Confidential, frozen=True, kw_only=True):
    """What is exchanged, and for what (RFC 8693): the claims of a token that was checked, and what changes.

    `status` is the client's own status index, and `acting` are the places of the token of whom it acts for: each of
    them revokes the token besides the subject's.
    """

    subject: AccessToken
    client_id: str
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    act: dict[str, Any] | None
    status: StatusIndex
    jkt: str | None
    acting: tuple[StatusReference, ...] = ()


class TokenIssuer:
    """Issues access tokens (RFC 9068); signing happens after the commit, because it may wait for a network."""

    def __init__(self, settings: Settings, subjects: SubjectIdentifiers, custom_claims: CustomClaims) -> None:
        self._subjects = subjects
        self._custom_claims = custom_claims
        self._issuer = settings.issuer_url
        self._seconds = settings.access_token_seconds
        self._has_warned_of_size = False

    async def mint(
        self, subject: TokenSubject, *, keys: KeyRing, now: float, first_id: str | None = None
    ) -> IssuedToken:
        """Issue a grant's access token. A session's first one has a given `jti`, and the exact configured lifetime."""
        early = 0 if first_id else random.uniform(0, _JITTER)  # noqa: S311 - to spread a load, no secret
        seconds = OPERATOR_SECONDS if is_for_operators(subject.scope) else self._seconds - int(self._seconds * early)
        issued_at, organization = int(now), subject.organization
        claims = AccessToken(
            iss=self._issuer,
            sub=self._subjects.subject(subject.client_sector, subject.user_id),
            aud=_one_or_many(subject.audience),
            # A session's last token does not outlive it.
            exp=max(min(issued_at + seconds, int(subject.expires_at)), issued_at + 1),
            iat=issued_at,
            jti=first_id or secrets.token_urlsafe(_JTI_BYTES),
            client_id=subject.client_id,
            sid=self._subjects.session(subject.client_sector, subject.session_id),
            scope=" ".join(subject.scope) or None,
            roles=application_roles(subject.roles),
            org_id=organization and organization.id,
            org_slug=organization and organization.slug,
            org_roles=organization and (organization.roles or None),
            auth_time=int(subject.auth_time) or None,  # nobody knows, where another issuer has not said it
            acr=subject.acr or None,
            amr=subject.amr,
            cnf=_bound_to(subject.jkt),
            act=None if subject.acting is None else {"sub": subject.acting.id},
            status=self._status(subject.status),
            act_status=() if subject.acting is None else (self._reference(subject.acting.status),),
        )
        return await self._sign(claims, keys, await self._custom_claims.of_access_token(subject))

    async def mint_for_client(
        self, client: Client, token_request: TokenRequest, *, keys: KeyRing, now: float
    ) -> IssuedToken:
        """Issue a client's own access token, without a user or session (RFC 9068 §2.2)."""
        issued_at = int(now)
        claims = AccessToken(
            iss=self._issuer,
            sub=client.id,
            aud=_one_or_many(token_request.audience),
            exp=issued_at + (OPERATOR_SECONDS if token_request.is_for_operator else self._seconds),
            iat=issued_at,
            jti=secrets.token_urlsafe(_JTI_BYTES),
            client_id=client.id,
            scope=" ".join(token_request.scope) or None,
            cnf=_bound_to(token_request.jkt),
            status=self._status(client.status),
        )
        return await self._sign(claims, keys)

    async def mint_exchanged(self, delegation: Delegation, *, keys: KeyRing, now: float) -> IssuedToken:
        """Issue a token in the place of another one: of the same sign-in, at the same status index, no longer alive."""
        issued_at = int(now)
        places = _once((self._reference(delegation.status), *map(msgspec.structs.asdict, delegation.acting)))
        claims = msgspec.structs.replace(
            delegation.subject,
            aud=_one_or_many(delegation.audience),
            exp=max(min(issued_at + self._seconds, delegation.subject.exp), issued_at + 1),
            iat=issued_at,
            jti=secrets.token_urlsafe(_JTI_BYTES),
            client_id=delegation.client_id,
            scope=" ".join(delegation.scope) or None,
            cnf=_bound_to(delegation.jkt),
            act=delegation.act,
            act_status=(*(each for each in delegation.subject.act_status if each not in places), *places),
        )
        return await self._sign(claims, keys)

    def _status(self, status: StatusIndex) -> dict[str, object]:
        return {"status_list": self._reference(status)}

    def _reference(self, status: StatusIndex) -> dict[str, object]:
        return {"idx": status.idx, "uri": f"{self._issuer}/status/{status.list}"}

    async def _sign(self, claims: AccessToken, keys: KeyRing, custom: Mapping[str, object] = {}) -> IssuedToken:
        message = access_token.signing_input(claims, alg=keys.signer.alg, kid=keys.signer.kid, custom=custom)
        if len(message) > LARGEST_TOKEN_BYTES:  # before it is sent to a signer elsewhere
            self._note_size(claims.sub, len(message))
        signature = await keys.signer.sign(message)
        token = jws.assemble(message, signature)
        if len(token) > LARGE_TOKEN_BYTES:
            self._note_size(claims.sub, len(token))
        return IssuedToken(
            token=token,
            token_type="DPoP" if claims.cnf else "Bearer",
            expires_in=int(claims.exp - claims.iat),
            scope=claims.scope,
        )

    def _note_size(self, subject: str, size: int) -> None:
        """Refuse a token that is too large for a header, and warn about the first that comes close."""
        if size > LARGEST_TOKEN_BYTES:
            raise Refusal(
                "token_too_large",
                "The token would be too large: remove roles, claims, scopes or audiences.",
                private=f"the token of {subject} has {size} bytes; most servers take 8 KiB of headers, or of one",
            )
        if not self._has_warned_of_size:
            self._has_warned_of_size = True
            log.warning("tokens become large: servers take 8 KiB of headers", subject=subject, size=size)


def _bound_to(jkt: str | None) -> dict[str, str] | None:
    """The confirmation claim for the key that the token's sender must prove (RFC 9449 §6.1)."""
    return None if jkt is None else {"jkt": jkt}


def _once(places: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    return [place for number, place in enumerate(places) if place not in places[:number]]


def _one_or_many(audience: tuple[str, ...]) -> str | tuple[str, ...]:
    """Write a single audience as a plain string (RFC 7519 §4.1.3)."""
    match audience:
        case (only,):
            return only
        case _:
            return audience
