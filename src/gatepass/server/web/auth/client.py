"""Client authentication: a secret in the header or the body, or a signed assertion (RFC 6749 §2.3, RFC 7523)."""

from __future__ import annotations

import asyncio
import base64
import binascii
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import msgspec

from gatepass.jose import jwt
from gatepass.jose.errors import JoseError
from gatepass.jose.headers import media_type
from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.events.event import NOWHERE
from gatepass.server.domain.limits.used_once import use_name
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions import fapi
from gatepass.server.domain.sessions.api import client_today
from gatepass.server.domain.sessions.client_documents import is_document_url
from gatepass.server.web.auth.requirements import NO_BODY
from gatepass.server.web.parsing import header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from gatepass.jose import KeySet
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.client import AuthMethod, Client
    from gatepass.server.domain.sessions.client_documents import ClientDocuments
    from gatepass.server.domain.sessions.client_keys import ClientKeys
    from gatepass.server.web.address import ClientAddress
    from gatepass.server.web.auth.requirements import SplitBody

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_TYPS = ("application/jwt", "application/client-authentication+jwt")
"""RFC 7523bis §4; RFC 7523 knew no `typ`. No other kind of token that a client signs is a proof (RFC 8725bis §3.12)."""
_LONGEST_ASSERTION_SECONDS = 3_600
"""Authlib's clients always sign for an hour; the id of each assertion is remembered for as long."""
_SKEW_SECONDS = 60
"""How far a client's clock may be ahead."""
_KNOWN_SECONDS = 1.0


class ClientForm(Confidential, frozen=True, kw_only=True):
    """The client's fields in any form (RFC 6749 §2.3.1, RFC 7521 §4.2)."""

    client_id: str | None = None
    client_secret: str | None = None
    client_assertion_type: str | None = None
    client_assertion: str | None = None


class KnownClients:
    """Registered clients, cached for a second at most, and until `forget` is called because the store has changed."""

    def __init__(self, database: Database, documents: ClientDocuments) -> None:
        self._database = database
        self._documents = documents
        self._known: dict[str, tuple[Client, float]] = {}

    async def by_id(self, client_id: str, where: Origin = NOWHERE) -> Client | None:
        """Return a client, of a document as it is now. Missing clients are not cached.

        Raises:
            Refusal: `too_many_attempts`, when too many documents were asked for from there.
        """
        client, until = self._known.get(client_id, (None, 0.0))
        if client is None or client.disabled_at is not None or until < asyncio.get_running_loop().time():
            is_there = not is_document_url(client_id) or await self._documents.keep_current(client_id, where)
            client = await self.read(client_id) if is_there else None
        return client

    async def read(self, client_id: str) -> Client | None:
        """Return a client from the store, without the cache."""
        if not client_id.isascii() or not client_id.isprintable():  # not every database accepts such text in a query
            return None

        async def unit(tx: Transaction) -> Client | None:
            return await client_today(tx, client_id)

        client = await self._database.read(unit)
        if client is not None:
            self._known[client_id] = client, asyncio.get_running_loop().time() + _KNOWN_SECONDS
        return client

    def forget(self) -> None:
        """Clear the cache."""
        self._known.clear()


class ClientAuthentication:
    """Authenticates registered clients."""

    def __init__(
        self, database: Database, clients: KnownClients, keys: ClientKeys, address: ClientAddress, *, issuer: str
    ) -> None:
        self._database = database
        self._clients = clients
        self._keys = keys
        self._address = address
        self._issuer = issuer

    async def authenticate(self, request: Request, body: SplitBody = NO_BODY) -> Client:
        """Return the confidential client that authenticated the request (RFC 6749 §2.1). Raises as `identify`."""
        client = await self.identify(request, body)
        if client.is_public:
            raise _invalid_client()
        return client

    async def identify(self, request: Request, body: SplitBody = NO_BODY) -> Client:
        """Return the client that authenticated the request, or the public one that it names (RFC 6749 §3.2.1).

        An empty secret is none (§2.3.1): oidc-agent and Go's oauth2 send one in the header for public clients.

        Raises:
            Refusal: `invalid_request` when it uses several methods at once (§2.3), else `invalid_client`; without a
                client, what is wrong with the body.
        """
        form = msgspec.convert(body.fields, ClientForm)
        basic = header(request, b"authorization")
        used = [basic is not None, bool(form.client_secret), form.client_assertion is not None]
        if sum(used) > 1:
            raise Refusal("invalid_request", "Use one way of client authentication.")
        if basic is not None:
            client_id, secret = _basic(basic)
            if form.client_id not in (None, client_id):
                raise _invalid_client()
            if not secret:
                return await self._public(request, client_id)
            return await self._by_secret(client_id, secret, "client_secret_basic")
        if form.client_assertion is not None:
            return await self._by_assertion(request, form, form.client_assertion)
        if form.client_secret:
            return await self._by_secret(form.client_id or "", form.client_secret, "client_secret_post")
        if form.client_id is None:
            body.check()
        return await self._public(request, form.client_id or "")

    async def _by_secret(self, client_id: str, secret: str, method: AuthMethod) -> Client:
        now = self._database.clock()
        client = await self._clients.by_id(client_id)
        if client is not None and not client.has_secret(secret, now):
            client = await self._clients.read(client_id)  # the secret may have changed
        is_proved = client is not None and client.has_secret(secret, now)
        if client is None or not is_proved or client.auth_method not in ("client_secret", method):
            raise _invalid_client()
        return _enabled(client)

    async def _public(self, request: Request, client_id: str) -> Client:
        client = await self._clients.by_id(client_id, self._address.where(request))
        if client is None or not client.is_public:
            raise _invalid_client()
        return _enabled(client)

    async def _by_assertion(self, request: Request, form: ClientForm, assertion: str) -> Client:
        """RFC 7523 §3: a short-lived JWT about the client itself, for us alone, accepted once."""
        if form.client_assertion_type != ASSERTION_TYPE:
            raise Refusal("invalid_request", "This type of client assertion is not supported.")
        try:
            # Only the assertion itself says whose keys to use; its content is verified right after.
            seen = jwt.peek(assertion)
            named = seen.claims.get("iss")
            where = self._address.where(request)
            client = await self._clients.by_id(named if isinstance(named, str) else "", where)
            if client is None or form.client_id not in (None, client.id) or not _may_sign(client, seen.headers):
                raise _invalid_client()
            now = await self._now()
            claims = await self._keys.check(client, partial(_verified, assertion, issuer=client.id, now=now), now=now)
        except JoseError as error:
            raise _invalid_client() from error
        if claims["sub"] != client.id or not self._is_for_us(claims["aud"], client):
            raise _invalid_client()
        made_at = claims.get("iat", now)
        if made_at > now + _SKEW_SECONDS or not now < claims["exp"] <= max(now, made_at) + _LONGEST_ASSERTION_SECONDS:
            raise _invalid_client()
        await self._use_up(client.id, claims["jti"], claims["exp"])
        return _enabled(client)

    def _is_for_us(self, audience: object, client: Client) -> bool:
        """Whether an assertion is for this server only: one that was made for another must not work here.

        So `aud` must be the issuer alone (RFC 7523bis; the audience injection attack), as a string or a list of one.
        The token endpoint's URL, which RFC 7523 §3 allowed, is accepted from clients for which the operator has allowed
        it.
        """
        if not fapi.may_be_audience(client, audience, self._issuer):
            return False
        allowed: list[object] = [self._issuer]
        if client.assertion_audience == "token_endpoint":
            allowed.append(f"{self._issuer}/oauth/token")
        return audience in allowed or any(audience == [name] for name in allowed)

    async def _use_up(self, client_id: str, jti: str, expires_at: float) -> None:
        async def unit(tx: Transaction) -> Refusal | None:
            is_first = await use_name(tx, "client_assertion", client_id, jti, expires_at=expires_at)
            return None if is_first else _invalid_client()

        await decide(self._database, unit, is_lone_statement=True)

    async def _now(self) -> float:
        async def unit(tx: Transaction) -> float:
            return tx.now

        return await self._database.read(unit)


def _verified(assertion: str, keys: KeySet, *, issuer: str, now: float) -> dict[str, Any]:
    """What it says, where `nbf` may be a little ahead; what is over is over, since its name is remembered till then."""
    return jwt.verify(
        assertion,
        keys,
        issuer=issuer,
        audience=None,
        typ=None,
        required=("exp", "jti", "sub", "aud"),
        leeway=_SKEW_SECONDS,
        now=now,
    )


def _may_sign(client: Client, headers: Mapping[str, object]) -> bool:
    """Whether it proves itself by signatures, by ones of this algorithm (RFC 7591 §2), and this is meant as a proof."""
    wanted = client.metadata.token_endpoint_auth_signing_alg
    alg = headers.get("alg")
    is_by_key = client.auth_method == "private_key_jwt" and wanted in ("", alg) and fapi.may_sign(client, alg)
    typ = headers.get("typ")
    return is_by_key and (typ is None or (isinstance(typ, str) and media_type(typ) in _TYPS))


def _enabled(client: Client) -> Client:
    if client.disabled_at is not None:
        raise _invalid_client()
    return client


def _basic(header: str) -> tuple[str, str]:
    """Read id and secret, each form-encoded before they were joined (RFC 6749 §2.3.1)."""
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        raise _invalid_client()
    try:
        client_id, colon, secret = base64.b64decode(credentials.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise _invalid_client() from None
    if not colon:
        raise _invalid_client()
    return unquote_plus(client_id), unquote_plus(secret)


def _invalid_client() -> Refusal:
    return Refusal("invalid_client", "The client is unknown, or failed to authenticate.")
