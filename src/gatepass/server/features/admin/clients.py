"""Administration of clients, so far for the command line only; each operation is one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.jose import KeySet
from gatepass.jose.errors import JoseError
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.client import CLIENT_PREFIX, Client, check_names, digest, new_secret
from gatepass.server.domain.sessions.client_metadata import ClientRules
from gatepass.server.domain.sessions.revoke import move_grants
from gatepass.server.domain.sessions.sector import check_same_sector

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import ListKeys, StatusIndexes
    from gatepass.server.domain.sessions.client import AssertionAudience, GrantType

_LONGEST_NAME = 200


class NewClient(msgspec.Struct, frozen=True, kw_only=True):
    """A new client; with `jwks` (its public keys as a JWK Set) it gets no secret."""

    name: str
    grant_types: tuple[GrantType, ...]
    audience: tuple[str, ...]
    scope: tuple[str, ...] = ()
    jwks: str | None = None
    assertion_audience: AssertionAudience = "issuer"


class ClientAdmin:
    """Operations on clients. A missing client is refused as `client_not_found`."""

    def __init__(self, database: Database, indexes: StatusIndexes, lists: ListKeys) -> None:
        self._database = database
        self._indexes = indexes
        self._lists = lists

    async def add(self, new: NewClient) -> tuple[Client, str | None]:
        """Register a client; its secret is returned only here, and is None for a client with keys.

        Raises:
            Refusal: `invalid_jwks`, `invalid_body` for an unprintable name, or as `check_names`.
        """
        if not new.name.strip() or not new.name.isprintable() or len(new.name) > _LONGEST_NAME:
            raise Refusal("invalid_body", f"A client's name is one line of 1 to {_LONGEST_NAME} printable characters.")
        check_names(audience=new.audience, scope=new.scope)
        if new.jwks is not None:
            _check_jwks(new.jwks)
        secret = new_secret() if new.jwks is None else None
        status = await self._indexes.next()

        async def unit(tx: Transaction) -> Client:
            client = Client(
                id=new_id(CLIENT_PREFIX),
                name=new.name,
                grant_types=new.grant_types,
                audience=new.audience,
                scope=new.scope,
                status=status,
                created_at=tx.now,
                secret_digest=None if secret is None else digest(secret),
                auth_method="client_secret" if new.jwks is None else "private_key_jwt",
                jwks=new.jwks,
                rules=ClientRules(consent="first-time" if _shows_pages(new.grant_types) else "never"),
                assertion_audience=new.assertion_audience,
            )
            await tx.clients.add(client)
            return client

        return await self._database.transaction(unit), secret

    async def all(self) -> list[Client]:
        """Every client, by name."""

        async def unit(tx: Transaction) -> list[Client]:
            return await tx.clients.all()

        return await self._database.read(unit)

    async def edit(
        self, client_id: str, *, audience: tuple[str, ...] | None = None, scope: tuple[str, ...] | None = None
    ) -> Client:
        """Change the client's audience and scopes; None leaves a value unchanged. Returns the changed client.

        If a right was removed, tokens that may have it are revoked, and each grant keeps what is left.

        Raises:
            Refusal: as `check_names`.
        """
        check_names(audience=audience or (), scope=scope or ())
        status = await self._indexes.next()

        async def unit(tx: Transaction) -> Client | Refusal:
            before = await tx.clients.by_id(client_id)
            if before is None:
                return _not_found()
            after = msgspec.structs.replace(
                before,
                audience=before.audience if audience is None else tuple(dict.fromkeys(audience)),
                scope=before.scope if scope is None else tuple(dict.fromkeys(scope)),
            )
            check_same_sector(before.metadata, after.metadata, client_id)
            await tx.clients.replace(after)
            # An empty audience means the issuer, so naming the first one also removes a right.
            has_less = not set(before.scope) <= set(after.scope) or not set(before.audience or ("",)) <= set(
                after.audience or ("",)
            )
            if has_less:
                await tx.revocations.revoke_indexes([before.status], tx.now)
                await tx.clients.move(client_id, status)
                await move_grants(tx, await tx.grants.live_of_client(client_id, tx.now), self._lists)
            return after

        return await decide(self._database, unit)

    async def rotate_secret(self, client_id: str, *, keep_old: float = 0) -> str:
        """Give the client a new secret. The old one is accepted for `keep_old` seconds more.

        Without that, the old one and the client's own tokens stop working.
        """
        secret, status = new_secret(), await self._indexes.next()

        async def unit(tx: Transaction) -> Refusal | None:
            before = await tx.clients.by_id(client_id)
            if before is None:
                return _not_found()
            after = msgspec.structs.replace(
                before,
                auth_method="client_secret" if before.jwks is not None else before.auth_method,
                secret_digest=digest(secret),
                second_secret_digest=before.secret_digest if keep_old else None,
                second_secret_until=tx.now + keep_old,
                jwks=None,
            )
            await tx.clients.replace(after)
            if not keep_old:
                await tx.revocations.revoke_indexes([before.status], tx.now)
                await tx.clients.move(client_id, status)
            return None

        await decide(self._database, unit)
        return secret

    async def remove(self, client_id: str) -> None:
        """Remove the client; its tokens and grants are revoked."""

        async def unit(tx: Transaction) -> Refusal | None:
            before = await tx.clients.remove(client_id, tx.now)
            if before is None:
                return _not_found()
            await tx.revocations.revoke_indexes([before, *await tx.grants.end_of_client(client_id, tx.now)], tx.now)
            return None

        await decide(self._database, unit)


def _shows_pages(grant_types: tuple[GrantType, ...]) -> bool:
    """Whether people see who asks; a client that shows no page is the operator's own."""
    return "authorization_code" in grant_types


def _check_jwks(jwks: str) -> None:
    try:
        keys = KeySet.from_public_jwks(jwks)
    except JoseError as error:
        raise Refusal("invalid_jwks", f"This is not a JWK Set: {error.code}.") from error
    if not len(keys) or keys.skipped:
        reasons = "; ".join(keys.reasons) or "there is none"
        raise Refusal("invalid_jwks", f"A client's JWK Set must hold usable public keys only: {reasons}.")


def _not_found() -> Refusal:
    return Refusal("client_not_found", "There is no client with this id.")
