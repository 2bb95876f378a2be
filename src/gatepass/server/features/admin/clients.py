"""Administration of clients, by the command line and by the operators' API; each operation is one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions import client_lifecycle, fapi
from gatepass.server.domain.sessions.client import CLIENT_PREFIX, Client, new_secret
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.server.domain.sessions.client_registration import check_client
from gatepass.server.domain.sessions.operator import COMMAND_LINE, check_rights_given
from gatepass.server.domain.sessions.registration_token import RegistrationToken, new_registration_token
from gatepass.server.domain.sessions.sector import check_same_sector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import ListKeys, StatusIndexes
    from gatepass.server.domain.sessions.client import AssertionAudience, GrantType
    from gatepass.server.domain.sessions.operator import Operator


class NewClient(msgspec.Struct, frozen=True, kw_only=True):
    """What a new client may do; with public keys (`jwks`, or a `jwks_uri` in its metadata) it gets no secret."""

    name: str
    grant_types: tuple[GrantType, ...]
    audience: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    jwks: str | None = None
    assertion_audience: AssertionAudience = "issuer"
    is_public: bool = False
    metadata: ClientMetadata = ClientMetadata()
    rules: ClientRules = ClientRules()


class ClientChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What an edit changes: fields of the client, of its metadata and of its rules, each by name."""

    fields: Mapping[str, Any] = {}
    metadata: Mapping[str, Any] = {}
    rules: Mapping[str, Any] = {}

    def applied_to(self, client: Client) -> Client:
        """The client with these changes. Keys that are named replace those before, whichever way they were given."""
        metadata = dict(self.metadata)
        fields = dict(self.fields)
        if fields.get("jwks"):
            metadata["jwks_uri"] = ""
        if metadata.get("jwks_uri"):
            fields["jwks"] = None
        if fields.get("jwks") or metadata.get("jwks_uri"):
            fields |= {"auth_method": "private_key_jwt", "secret_digest": None, "second_secret_digest": None}
        return msgspec.structs.replace(
            client,
            **fields,
            metadata=msgspec.structs.replace(client.metadata, **metadata),
            rules=msgspec.structs.replace(client.rules, **self.rules),
        )


class ClientAdmin:
    """Operations on clients. A missing client is refused as `client_not_found`.

    Args:
        database: The store.
        indexes: Free status indexes.
        lists: The keys of status lists.
        our_algs: The algorithms that the server signs what clients read with.
        by: Who administers. Some rights only the command line gives: `command_line_only`.
    """

    def __init__(
        self,
        database: Database,
        indexes: StatusIndexes,
        lists: ListKeys,
        *,
        our_algs: tuple[str, ...],
        by: Operator = COMMAND_LINE,
    ) -> None:
        self._database = database
        self._indexes = indexes
        self._lists = lists
        self._our_algs = our_algs
        self._by = by

    async def add(self, new: NewClient) -> tuple[Client, str | None]:
        """Register a client; returns its secret, which cannot be read again; None for one that has keys or is public.

        Raises:
            Refusal: as `check_client` and `check_rights_given`.
        """
        has_keys = new.jwks is not None or bool(new.metadata.jwks_uri)
        secret = None if has_keys or new.is_public else new_secret()
        client = Client(
            id=new_id(CLIENT_PREFIX),
            name=new.name,
            grant_types=new.grant_types,
            audience=new.audience,
            scope=new.scope,
            status=await self._indexes.next(),
            created_at=0,
            secret_digest=None if secret is None else digest_of(secret),
            auth_method="none" if new.is_public else "private_key_jwt" if has_keys else "client_secret",
            jwks=new.jwks,
            assertion_audience=new.assertion_audience,
            metadata=new.metadata,
            rules=new.rules,
        )
        if new.is_public and has_keys:
            raise Refusal("invalid_client_metadata", "A public client has no keys: leave out --public or the keys.")
        client = fapi.completed(client, self._our_algs)
        check_client(client, our_algs=self._our_algs)
        check_rights_given(None, client, by=self._by)

        async def unit(tx: Transaction) -> Client:
            added = msgspec.structs.replace(client, created_at=tx.now)
            await client_lifecycle.add_client(tx, added, actor=self._by.id)
            return added

        return await self._database.transaction(unit), secret

    async def all(self) -> list[Client]:
        """All clients, by name."""

        async def unit(tx: Transaction) -> list[Client]:
            return await tx.clients.all()

        return await self._database.read(unit)

    async def show(self, client_id: str) -> Client:
        """One client."""

        async def unit(tx: Transaction) -> Client | None:
            return await tx.clients.by_id(client_id)

        client = await self._database.read(unit)
        if client is None:
            raise _not_found()
        return client

    async def edit(self, client_id: str, changes: ClientChanges) -> Client:
        """Change a client; return it as it is then.

        Tokens that may have a removed right are revoked; the client's grants continue with the rest.

        Raises:
            Refusal: as `check_client`, `check_same_sector` and `check_rights_given`.
        """
        status = await self._indexes.next()

        async def unit(tx: Transaction) -> Client | Refusal:
            before = await tx.clients.by_id(client_id)
            if before is None:
                return _not_found()
            after = fapi.completed(changes.applied_to(before), self._our_algs)
            if refused := self._refused(before, after):
                return refused
            await client_lifecycle.change_client(tx, before, after, status=status, lists=self._lists, actor=self._by.id)
            return after

        return await decide(self._database, unit)

    async def rotate_secret(self, client_id: str, *, keep_old: float = 0) -> str:
        """Give the client a new secret. The old one stays valid for `keep_old` seconds.

        By default the old secret stops working and the client's own tokens are revoked.

        Raises:
            Refusal: `invalid_client_metadata` for a public client.
        """
        secret, status = new_secret(), await self._indexes.next()

        async def unit(tx: Transaction) -> Refusal | None:
            before = await tx.clients.by_id(client_id)
            if before is None:
                return _not_found()
            has_keys = before.jwks is not None or bool(before.metadata.jwks_uri)
            after = msgspec.structs.replace(
                before,
                auth_method="client_secret" if has_keys else before.auth_method,
                secret_digest=digest_of(secret),
                second_secret_digest=before.secret_digest if keep_old else None,
                second_secret_until=tx.now + keep_old,
                jwks=None,
                metadata=msgspec.structs.replace(before.metadata, jwks_uri=""),
            )
            if refused := self._refused(before, after):
                return refused
            await client_lifecycle.change_secret(
                tx, before, after, status=status, keeps_old=bool(keep_old), actor=self._by.id
            )
            return None

        await decide(self._database, unit)
        return secret

    async def disable(self, client_id: str) -> None:
        """Let the client in no more; its tokens and grants end."""
        status = await self._indexes.next()

        async def unit(tx: Transaction) -> Refusal | None:
            client = await tx.clients.by_id(client_id)
            if client is None:
                return _not_found()
            if refused := self._refused(client, client):
                return refused
            await client_lifecycle.disable_client(tx, client, status=status, actor=self._by.id)
            return None

        await decide(self._database, unit)

    async def enable(self, client_id: str) -> None:
        """Let the client in again. What has ended stays ended."""

        async def unit(tx: Transaction) -> Refusal | None:
            client = await tx.clients.by_id(client_id)
            if client is None:
                return _not_found()
            if refused := self._refused(client, client):
                return refused
            await client_lifecycle.enable_client(tx, client, actor=self._by.id)
            return None

        await decide(self._database, unit)

    async def remove(self, client_id: str) -> None:
        """Remove the client; its tokens and grants are revoked."""

        async def unit(tx: Transaction) -> Refusal | None:
            client = await tx.clients.by_id(client_id)
            if client is not None and (refused := self._refused(client, client)):
                return refused
            is_removed = await client_lifecycle.remove_client(tx, client_id, actor=self._by.id)
            return None if is_removed else _not_found()

        await decide(self._database, unit)

    def _refused(self, before: Client, after: Client) -> Refusal | None:
        """Why a client cannot become this, if so: a unit returns its refusal."""
        try:
            check_rights_given(before, after, by=self._by)
            if after == before:
                return None
            check_client(after, our_algs=self._our_algs)
            check_same_sector(before.metadata, after.metadata, before.id)
        except Refusal as refusal:
            return refusal
        return None

    async def new_registration_token(self, *, uses: int, seconds: float) -> str:
        """Make an initial access token (RFC 7591 §3), with which so many clients can register themselves."""
        token = new_registration_token()

        async def unit(tx: Transaction) -> None:
            made = RegistrationToken(digest=digest_of(token), uses_left=uses, expires_at=tx.now + seconds)
            await tx.registration_tokens.add(made)

        await self._database.transaction(unit)
        return token


def _not_found() -> Refusal:
    return Refusal("client_not_found", "There is no client with this id.")
