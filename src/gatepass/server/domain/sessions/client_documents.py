"""Clients that are the URL of their metadata document (draft-ietf-oauth-client-id-metadata-document).

A document is fetched when its client first asks, and again when it is no longer fresh, and kept as a client like any
other. What cannot be fetched or read is never remembered, so limits for each host and network are what protects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec
import structlog

from gatepass.jose.errors import InvalidPolicyError, MalformedError
from gatepass.jose.strict_json import decode_object
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.limits.attempts import Limit
from gatepass.server.domain.limits.throttle import Throttle, too_many_attempts
from gatepass.server.domain.ports import decide
from gatepass.server.domain.revocation.status_indexes import list_keys
from gatepass.server.domain.sessions import client_lifecycle
from gatepass.server.domain.sessions.client import Client
from gatepass.server.domain.sessions.client_description import ClientDescription, described
from gatepass.server.domain.sessions.client_document_state import GONE_SECONDS, DocumentState
from gatepass.server.domain.sessions.redirect_uri import host_of
from gatepass.verify.issuer import FetchError, checked_url, whole_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.public_fetch import PublicFetch
    from gatepass.server.domain.revocation.status_indexes import StatusIndexes

log = structlog.get_logger("gatepass")

MAX_BYTES = 5 * 1024
"""As the draft recommends (§ Maximum Response Size)."""
LEAST_FRESH_SECONDS = 300
MOST_FRESH_SECONDS = 86_400
_LONGEST_ID = 512
_DEPTH = 8
_HTTP_OK = 200
_HOUR = 3_600.0
_OF_A_HOST = Limit(free=60, window=_HOUR, first_pause=1, longest_pause=60)
_OF_A_NETWORK = Limit(free=60, window=_HOUR, first_pause=1, longest_pause=60)
_METHODS = ("none", "private_key_jwt")


class InvalidDocumentError(Exception):
    """There is no document of a client at the URL; the text says why, for the operator."""


class ClientDocuments:
    """Keeps clients as their documents describe them."""

    def __init__(
        self, database: Database, fetch: PublicFetch, indexes: StatusIndexes, data_key: DataKey, settings: Settings
    ) -> None:
        self._database = database
        self._fetch = fetch
        self._indexes = indexes
        self._lists = list_keys(data_key)
        self._settings = settings
        self._throttle = Throttle(
            data_key.derive("client documents"), account=_OF_A_HOST, network=_OF_A_NETWORK, notices_stuffing=False
        )

    async def keep_current(self, client_id: str, where: Origin) -> bool:
        """See that the store has a client as its document describes it now; False when there is none to be had.

        Raises:
            Refusal: `too_many_attempts`.
        """
        if not self._is_allowed(client_id):
            return False

        async def unit(tx: Transaction) -> tuple[Client | None, DocumentState | None, float]:
            return await tx.clients.by_id(client_id), await tx.client_documents.of(client_id), tx.now

        client, state, now = await self._database.read(unit)
        if client is not None and state is not None and now < state.fresh_until:
            return True
        await self._count(client_id, where)
        try:
            said, seconds = await self._fetched(client_id)
            after = self._described(client or await self._blank(client_id), said)
        except InvalidDocumentError as error:
            log.warning("a client's metadata document cannot be used", client_id=client_id, reason=str(error))
            return client is not None and await self._goes_on(client_id)
        await self._keep(after, seconds)
        return True

    def _is_allowed(self, client_id: str) -> bool:
        mode, hosts = self._settings.client_id_metadata_documents, self._settings.client_id_metadata_hosts
        return is_document_url(client_id) and (mode == "open" or (mode == "listed" and _host_of(client_id) in hosts))

    async def _count(self, client_id: str, where: Origin) -> None:
        attempt = self._throttle.attempt("client document", _host_of(client_id), where)

        async def unit(tx: Transaction) -> Refusal | None:
            if wait := await self._throttle.hold(tx, attempt):
                return too_many_attempts(wait)
            await self._throttle.failed(tx, attempt)
            return None

        await decide(self._database, unit)

    async def _fetched(self, client_id: str) -> tuple[ClientDescription, float]:
        """Fetch a document: what it says, and how long it is fresh."""
        try:
            answer = await self._fetch.get(client_id, max_bytes=MAX_BYTES)
        except FetchError as error:
            raise InvalidDocumentError(str(error)) from error
        if answer.status != _HTTP_OK:
            raise InvalidDocumentError(f"the status is {answer.status}")
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise InvalidDocumentError(f"it is no JSON but {media_type or 'nothing said'}")
        return read_document(answer.body, client_id), _fresh_seconds(answer.headers)

    async def _blank(self, client_id: str) -> Client:
        return Client(
            id=client_id,
            name="",
            grant_types=(),
            audience=(),
            scope=(),
            status=await self._indexes.next(),
            created_at=0,
            origin="cimd",
        )

    def _described(self, client: Client, said: ClientDescription) -> Client:
        settings = self._settings
        try:
            return described(
                client, said, issuer=settings.issuer_url, our_algs=settings.id_token_algs, usual_method="none"
            )
        except Refusal as error:
            raise InvalidDocumentError(error.detail) from error

    async def _keep(self, after: Client, seconds: float) -> None:
        """Keep what the document says. People are asked again where another name, host or key could be another client.

        Name and host are kept with each consent; what was agreed to for other keys is forgotten.
        """
        status = await self._indexes.next()

        async def unit(tx: Transaction) -> None:
            before = await tx.clients.by_id(after.id)
            if before is None:
                added = msgspec.structs.replace(after, created_at=tx.now)
                await client_lifecycle.add_client(tx, added, actor=after.id)
            else:
                changed = msgspec.structs.replace(
                    after,
                    status=before.status,
                    created_at=before.created_at,
                    used_at=before.used_at,
                    disabled_at=before.disabled_at,
                    rules=before.rules,
                )
                await client_lifecycle.change_client(
                    tx, before, changed, status=status, lists=self._lists, actor=after.id
                )
                if _keys_of(before) != _keys_of(after):
                    await tx.consents.remove_all_of_client(after.id)
            await tx.client_documents.put(DocumentState(client_id=after.id, fresh_until=tx.now + seconds))

        await self._database.transaction(unit)

    async def _goes_on(self, client_id: str) -> bool:
        """Note that the document is missing. A client goes on without for a day, and then ends."""

        async def unit(tx: Transaction) -> bool:
            state = await tx.client_documents.of(client_id) or DocumentState(client_id=client_id, fresh_until=0)
            since = tx.now if state.missing_since is None else state.missing_since
            await tx.client_documents.put(msgspec.structs.replace(state, missing_since=since))
            if tx.now - since < GONE_SECONDS:
                return True
            await client_lifecycle.end_grants_of_client(tx, client_id)
            return False

        return await self._database.transaction(unit)


def document_host(client: Client) -> str:
    """The host of a client's metadata document, which people are shown; empty where it is none."""
    return host_of(client.id) if client.origin == "cimd" else ""


def is_document_url(client_id: str) -> bool:
    """Whether a client identifier is the URL of a document, of which there is one spelling only (§ Client Identifier).

    None that we give out begins with https.
    """
    if not client_id.startswith("https://") or len(client_id) > _LONGEST_ID or "#" in client_id:
        return False
    try:
        parts = checked_url(client_id, "url")
    except InvalidPolicyError:
        return False
    has_dot_segments = any(unquote(segment) in (".", "..") for segment in parts.path.split("/"))
    return bool(parts.path) and "@" not in parts.netloc and not has_dot_segments


def read_document(body: bytes, client_id: str) -> ClientDescription:
    """Read a document (§ Client Metadata Document).

    Raises:
        InvalidDocumentError: It is none, is about another client, or has a secret, which it cannot keep.
    """
    try:
        decode_object(body, _DEPTH)
        said = msgspec.json.decode(body, type=ClientDescription)
    except (MalformedError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidDocumentError(f"it cannot be read: {str(error)[:200]}") from error
    if said.client_id != client_id:
        raise InvalidDocumentError("its client_id is not its URL")
    if not said.client_name or not said.redirect_uris:
        raise InvalidDocumentError("it has no client_name or no redirect_uris")
    if said.client_secret is not None or said.token_endpoint_auth_method not in (None, *_METHODS):
        raise InvalidDocumentError("it shares a secret with everybody")
    return said


def _host_of(client_id: str) -> str:
    return urlsplit(client_id).hostname or ""


def _fresh_seconds(headers: Mapping[str, str]) -> float:
    """RFC 9111 §4.2, within the bounds."""
    directives = [part.strip().lower() for part in headers.get("cache-control", "").split(",")]
    ages = [
        whole_seconds(part.removeprefix("max-age=").strip('"')) for part in directives if part.startswith("max-age=")
    ]
    age = (ages[0] or 0) if len(ages) == 1 and not {"no-store", "no-cache"} & set(directives) else 0
    return min(max(age - (whole_seconds(headers.get("age", "")) or 0), LEAST_FRESH_SECONDS), MOST_FRESH_SECONDS)


def _keys_of(client: Client) -> tuple[str | None, str]:
    return client.jwks, client.metadata.jwks_uri
