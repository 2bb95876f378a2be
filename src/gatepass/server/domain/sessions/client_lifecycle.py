"""What becomes of a client's tokens, grants and codes when the client changes: decided in one transaction each.

Whoever brings the change about, the operator, the client itself or its document, ends the same things.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.events.event import SERVER
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.sessions.revoke import move_grants, publish_ended

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.domain.revocation.status_indexes import ListKeys
    from gatepass.server.domain.sessions.client import Client

_OF_AUTHENTICATION = ("auth_method", "jwks", "secret_digest")


async def add_client(tx: Transaction, client: Client, *, actor: str) -> None:
    """Keep a new client."""
    await tx.clients.add(client)
    await record(tx, "client_added", actor=actor, reason=client.id)


async def change_client(  # noqa: PLR0913 - what is changed, and with what
    tx: Transaction, before: Client, after: Client, *, status: StatusIndex, lists: ListKeys, actor: str
) -> None:
    """Keep a client anew; `status` is a free status index.

    Tokens that may have a right that is taken are revoked, and its grants bring what is left from the next refresh on.
    What was asked under the old terms and not redeemed is gone.
    """
    if after == before:
        return
    await tx.clients.replace(after)
    if has_less(before, after):
        await _revoke_own_tokens(tx, before, status)
        await move_grants(tx, await tx.grants.live_of_client(before.id, tx.now), lists)
    if msgspec.structs.replace(after, name=before.name) != before:
        await _drop_unredeemed(tx, before.id)
    await record(tx, "client_changed", actor=actor, reason=before.id)


async def change_secret(  # noqa: PLR0913 - as above
    tx: Transaction, before: Client, after: Client, *, status: StatusIndex, keeps_old: bool, actor: str
) -> None:
    """Keep a client with another secret. Unless the old one still counts, the client's own tokens are revoked."""
    await tx.clients.replace(after)
    if not keeps_old:
        await _revoke_own_tokens(tx, before, status)
    await _drop_unredeemed(tx, before.id)
    await record(tx, "client_secret_rotated", actor=actor, reason=before.id)


async def disable_client(tx: Transaction, client: Client, *, status: StatusIndex, actor: str) -> None:
    """Let a client in no more, and end all that it holds; consents and registration stay."""
    if client.disabled_at is not None:
        return
    await tx.clients.replace(msgspec.structs.replace(client, disabled_at=tx.now))
    await _revoke_own_tokens(tx, client, status)
    await end_grants_of_client(tx, client.id)
    await record(tx, "client_disabled", actor=actor, reason=client.id)


async def enable_client(tx: Transaction, client: Client, *, actor: str) -> None:
    """Let it in again. What has ended stays ended."""
    if client.disabled_at is None:
        return
    await tx.clients.replace(msgspec.structs.replace(client, disabled_at=None))
    await record(tx, "client_enabled", actor=actor, reason=client.id)


async def remove_client(tx: Transaction, client_id: str, *, actor: str) -> bool:
    """Remove a client, and end all that it holds; False when it is not found."""
    status = await tx.clients.remove(client_id, tx.now)
    if status is None:
        return False
    await tx.revocations.revoke_indexes([status], tx.now)
    await end_grants_of_client(tx, client_id)
    await tx.consents.remove_all_of_client(client_id)
    for stream in await tx.signal_streams.of_client(client_id):
        await tx.signal_streams.remove(stream.id)
    await record(tx, "client_removed", actor=actor, reason=client_id)
    return True


async def end_grants_of_client(tx: Transaction, client_id: str) -> None:
    """End every grant of a client, the sessions that are its own, and what is on its way to a grant."""
    await publish_ended(tx, await tx.grants.end_of_client(client_id, tx.now), reason="client_disabled", actor=SERVER)
    await tx.sessions.end_all_of_client(client_id, reason="grant_ended", now=tx.now)
    await _drop_unredeemed(tx, client_id)


def has_less(before: Client, after: Client) -> bool:
    """Whether tokens of the one may have what tokens of the other may not."""
    # No audience means the issuer, so adding the first audience removes the issuer.
    lost_audience = not set(before.audience or ("",)) <= set(after.audience or ("",))
    lost_scope = not set(before.scope) <= set(after.scope)
    lost_grant = not set(before.grant_types) <= set(after.grant_types)
    lost_target = not set(before.rules.exchange_audience) <= set(after.rules.exchange_audience)
    lost_impersonation = before.rules.may_impersonate and not after.rules.may_impersonate
    is_bound_now = after.metadata.dpop_bound_access_tokens and not before.metadata.dpop_bound_access_tokens
    is_another = any(getattr(before, name) != getattr(after, name) for name in _OF_AUTHENTICATION)
    lost_right = lost_audience or lost_scope or lost_grant or lost_target or lost_impersonation
    return lost_right or is_bound_now or is_another


async def _revoke_own_tokens(tx: Transaction, client: Client, status: StatusIndex) -> None:
    await tx.revocations.revoke_indexes([client.status], tx.now)
    await tx.clients.move(client.id, status)


async def _drop_unredeemed(tx: Transaction, client_id: str) -> None:
    await tx.authorization_codes.remove_unused_of_client(client_id)
    await tx.pushed_requests.remove_all_of_client(client_id)
    await tx.device_codes.remove_all_of_client(client_id)
