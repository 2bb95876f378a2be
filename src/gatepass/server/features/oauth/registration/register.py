"""`/oauth/register`: clients register themselves (RFC 7591), and read, replace or delete that (RFC 7592)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import msgspec

from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.limits.attempts import Limit
from gatepass.server.domain.limits.throttle import Throttle, too_many_attempts
from gatepass.server.domain.ports import decide
from gatepass.server.domain.revocation.status_indexes import list_keys
from gatepass.server.domain.sessions import client_lifecycle
from gatepass.server.domain.sessions import registration_token as tokens
from gatepass.server.domain.sessions.client import CLIENT_PREFIX, Client, new_secret
from gatepass.server.domain.sessions.client_description import ClientDescription, described
from gatepass.server.domain.sessions.sector import check_same_sector, check_sector_document
from gatepass.server.features.oauth.registration.access import invalid_token
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import MAY_REGISTER, REGISTRATION, found
from gatepass.server.web.parsing import header
from gatepass.server.web.routing import Route
from gatepass.verify.issuer import FetchError

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.features.oauth.registration.access import Newcomer
    from gatepass.server.web.call import Call

PATH = "/oauth/register"
UNUSED_SECONDS = 30 * 86_400
"""How long a client is kept that registered itself, and that nobody has used."""
MOST_UNUSED = 10_000
"""Clients that registered themselves and that nobody has used yet."""
_MOST_FORGOTTEN = 100
_USUAL_METHOD = "client_secret_basic"
_HTTP_OK = 200
_HOUR = 3_600.0
_OF_ALL = Limit(free=2_000, window=_HOUR, first_pause=1, longest_pause=60)
_OF_A_NETWORK = Limit(free=20, window=_HOUR, first_pause=60, longest_pause=_HOUR)


class ClientInformation(ClientDescription, frozen=True, kw_only=True, omit_defaults=True):
    """What is true of the client now (RFC 7591 §3.2.1, RFC 7592 §3). The secret is told when it is new."""

    client_id_issued_at: int
    client_secret_expires_at: int | None = None
    registration_access_token: str
    registration_client_uri: str


def routes(core: Core) -> tuple[Route, ...]:
    """The calls. Their errors are those of RFC 7591 §3.2.2."""
    registration = ClientRegistration(core)
    of_metadata = ("invalid_client_metadata", "invalid_redirect_uri")
    one = f"{PATH}/{{client_id}}"
    call = partial(Route, answers={200: ClientInformation}, open_to_pages=True)
    return (
        Route(
            method="POST",
            path=PATH,
            handler=registration.register,
            auth=MAY_REGISTER,
            summary="Register a client (RFC 7591)",
            body=ClientDescription,
            answers={201: ClientInformation},
            problems=(*of_metadata, "too_many_attempts"),
            open_to_pages=True,
        ),
        call(method="GET", path=one, handler=registration.read, auth=REGISTRATION, summary="Read a client (RFC 7592)"),
        call(
            method="PUT",
            path=one,
            handler=registration.replace,
            auth=REGISTRATION,
            summary="Replace what a client says of itself (RFC 7592)",
            body=ClientDescription,
            problems=of_metadata,
        ),
        Route(
            method="DELETE",
            path=one,
            handler=registration.delete,
            auth=REGISTRATION,
            summary="Delete a client (RFC 7592)",
            answers={204: None},
            open_to_pages=True,
        ),
    )


async def forget_unused(tx: Transaction) -> None:
    """Remove clients that registered themselves a month ago and that nobody has used, and tokens that are too old."""
    for client_id in await tx.clients.unused_since(tx.now - UNUSED_SECONDS, most=_MOST_FORGOTTEN):
        await client_lifecycle.remove_client(tx, client_id, actor="server")
    await tx.registration_tokens.forget_before(tx.now)


class ClientRegistration:
    """Registers clients."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._throttle = Throttle(
            core.data_key.derive("registrations"), account=_OF_ALL, network=_OF_A_NETWORK, notices_stuffing=False
        )

    async def register(self, call: Call, said: ClientDescription) -> Response:
        """RFC 7591 §3."""
        newcomer = cast("Newcomer", found(call.request))
        own_token, secret = tokens.new_own_token(), new_secret()
        blank = Client(
            id=new_id(CLIENT_PREFIX),
            name="",
            grant_types=(),
            audience=(),
            scope=(),
            status=await self._core.indexes.next(),
            created_at=0,
            origin="dcr",
            registration_digest=digest_of(own_token),
        )
        client = self._described(blank, said)
        has_secret = client.auth_method.startswith("client_secret")
        if has_secret:
            client = msgspec.structs.replace(client, secret_digest=digest_of(secret))
        if newcomer.token is None:
            await self._count(call)
        await self._check_sector(client)

        async def unit(tx: Transaction) -> Client | Refusal:
            if newcomer.token is not None and not await tx.registration_tokens.use(newcomer.token, tx.now):
                return invalid_token()
            if newcomer.token is None and await tx.clients.count_unused() >= MOST_UNUSED:
                return Refusal("too_many_attempts", "Too many clients wait to be used: try again later.")
            added = msgspec.structs.replace(client, created_at=tx.now)
            await client_lifecycle.add_client(tx, added, actor=added.id)
            return added

        await decide(self._core.database, unit)
        return await self._answer(client.id, own_token, secret if has_secret else None, status=201)

    async def read(self, call: Call, _body: None) -> Response:
        """RFC 7592 §2.1."""
        return await self._answer(call.client.id, _presented(call))

    async def replace(self, call: Call, said: ClientDescription) -> Response:
        """RFC 7592 §2.2: what is not said is not so any more; the secret stays, where there is to be one."""
        before = call.client
        if said.client_id != before.id:
            raise Refusal("invalid_client_metadata", "The client_id is the one that the client has.")
        if said.client_secret and not before.has_secret(said.client_secret, self._core.clock()):
            raise Refusal("invalid_client_metadata", "The client_secret is the one that the client has.")
        after = self._described(msgspec.structs.replace(before, secret_digest=None), said)
        secret = None
        if after.auth_method.startswith("client_secret"):
            secret = None if before.secret_digest else new_secret()
            after = msgspec.structs.replace(
                after, secret_digest=before.secret_digest if secret is None else digest_of(secret)
            )
        check_same_sector(before.metadata, after.metadata, before.id)
        await self._check_sector(after)
        status, lists = await self._core.indexes.next(), list_keys(self._core.data_key)

        async def unit(tx: Transaction) -> Refusal | None:
            stored = await tx.clients.by_id(before.id)
            if stored is None:
                return invalid_token()
            kept = msgspec.structs.replace(
                after, audience=stored.audience, rules=stored.rules, disabled_at=stored.disabled_at
            )
            await client_lifecycle.change_client(tx, stored, kept, status=status, lists=lists, actor=before.id)
            return None

        await decide(self._core.database, unit)
        return await self._answer(before.id, _presented(call), secret)

    async def delete(self, call: Call, _body: None) -> Response:
        """RFC 7592 §2.3: everything that the client holds ends."""

        async def unit(tx: Transaction) -> bool:
            return await client_lifecycle.remove_client(tx, call.client.id, actor=call.client.id)

        await self._core.database.transaction(unit)
        self._core.clients.forget()
        return no_content()

    def _described(self, client: Client, said: ClientDescription) -> Client:
        settings = self._core.settings
        return described(
            client, said, issuer=settings.issuer_url, our_algs=settings.id_token_algs, usual_method=_USUAL_METHOD
        )

    async def _count(self, call: Call) -> None:
        """Count a registration that needs no token, by network.

        Raises:
            Refusal: `too_many_attempts`.
        """
        attempt = self._throttle.attempt("registration", "", call.origin)

        async def unit(tx: Transaction) -> Refusal | None:
            if wait := await self._throttle.hold(tx, attempt):
                return too_many_attempts(wait)
            await self._throttle.failed(tx, attempt)
            return None

        await decide(self._core.database, unit)

    async def _check_sector(self, client: Client) -> None:
        """OpenID Connect Registration 1.0 §5: the one URL that is asked for while a client registers.

        Raises:
            Refusal: `invalid_client_metadata`; why the host cannot be asked is nobody's business but the operator's.
        """
        uri = client.metadata.sector_identifier_uri
        if not uri:
            return
        try:
            answer = await self._core.fetch.get(uri)
        except FetchError as error:
            raise _no_sector(private=str(error)) from error
        if answer.status != _HTTP_OK:
            raise _no_sector(private=f"{uri} answered {answer.status}")
        check_sector_document(client.metadata, answer.body)

    async def _answer(self, client_id: str, token: str, secret: str | None = None, *, status: int = 200) -> Response:
        """Say all that is true of the client now, with what it may ask of APIs that are open to anyone."""
        self._core.clients.forget()
        client = await self._core.clients.read(client_id)
        assert client is not None
        said: dict[str, Any] = msgspec.structs.asdict(client.metadata)
        information: dict[str, Any] = {
            **{name: value for name, value in said.items() if value not in ("", (), False, None)},
            "client_id": client.id,
            "client_name": client.name,
            "grant_types": client.grant_types,
            "response_types": ("code",) if "authorization_code" in client.grant_types else (),
            "token_endpoint_auth_method": client.auth_method,
            "scope": " ".join(client.scope),
            "jwks": None if client.jwks is None else msgspec.json.decode(client.jwks),
            "id_token_signed_response_alg": client.metadata.id_token_signed_response_alg
            or self._core.settings.id_token_alg,
            "client_id_issued_at": int(client.created_at),
            "client_secret": secret,
            "client_secret_expires_at": 0 if client.secret_digest is not None else None,
            "registration_access_token": token,
            "registration_client_uri": f"{self._core.settings.issuer_url}{PATH}/{client.id}",
        }
        return JsonResponse(ClientInformation(**information), status)


def _presented(call: Call) -> str:
    """The token that the call came with: it stays as it is, and only its bearer has it."""
    return (header(call.request, b"authorization") or "").partition(" ")[2]


def _no_sector(*, private: str) -> Refusal:
    return Refusal("invalid_client_metadata", "There is no document at the sector_identifier_uri.", private=private)
