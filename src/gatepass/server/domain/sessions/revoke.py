"""Ending sessions and grants: each also publishes the revoked status indexes, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.events.event import NOWHERE
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.sessions.foreign_tokens import end_foreign_tokens
from gatepass.server.domain.sessions.logout_queue import queue_logouts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.domain.revocation.status_indexes import ListKeys
    from gatepass.server.domain.sessions.grant import EndedGrant
    from gatepass.server.domain.sessions.session import EndReason


_MOVED_AT_ONCE = 1_000
"""How many grants get new status indexes at once."""


async def end_session(  # noqa: PLR0913 - the last two are for the log
    tx: Transaction,
    session_id: str,
    user_id: str,
    reason: EndReason,
    *,
    actor: str | None = None,
    where: Origin = NOWHERE,
) -> bool:
    """End a session and its grants; False when it was not this user's or had ended before.

    Grants, offline and on devices, that were given in it outlive a logout, but not a theft: nobody knows who has given
    them.
    """
    now = tx.now
    session = await tx.sessions.live(session_id, now)
    if session is None or not await tx.sessions.end(session_id, user_id, reason=reason, now=now):
        return False
    ended = await tx.grants.end_of_session(session_id, now)
    await publish_ended(tx, ended, reason=reason, tells_clients=False)
    offline = [] if reason == "replaced" else await tx.grants.given_in(session.sid, user_id, now)
    if reason == "refresh_token_reused":
        for grant_id in await tx.grants.outliving(session.sid, user_id):
            offline += [each.logout for each in await end_grant(tx, grant_id, tells_client=False)]
    # Together, so that each is told once.
    await queue_logouts(tx, [*(each.logout for each in ended), *offline], actor=actor, reason=reason)
    if reason == "refresh_token_reused":  # the actor is unknown
        await record(tx, "refresh_token_reused", user_id, actor="", session_id=session_id, where=where)
    else:
        await record(tx, "session_ended", user_id, actor=actor, session_id=session_id, reason=reason, where=where)
    return True


async def replace_session(tx: Transaction, before_id: str, after_id: str, *, where: Origin = NOWHERE) -> None:
    """End the session in whose browser the same person has signed in anew.

    What applications hold of it goes on with the new one: that one of them wanted a fresh sign-in is no sign-out at the
    others.
    """
    before = await tx.sessions.live(before_id, tx.now)
    if before is not None:
        await tx.sessions.go_on_from(after_id, before.sid)
        await tx.grants.carry_over(before_id, after_id, known_as=before.sid)
        await end_session(tx, before_id, before.user_id, "replaced", where=where)


async def end_sessions_of(  # noqa: PLR0913 - the last three are for the log, and for the one who stays
    tx: Transaction,
    user_id: str,
    reason: EndReason,
    *,
    actor: str | None = None,
    where: Origin = NOWHERE,
    keep: str = "",
) -> int:
    """End all sessions and grants of a user, except the session to `keep`; return how many sessions."""
    now = tx.now
    user = await tx.users.by_id(user_id)
    if user is not None and user.origin == "import":
        await end_foreign_tokens(tx, user_id)
    count = await tx.sessions.end_all_of(user_id, reason=reason, now=now, keep=keep)
    ended = await tx.grants.end_of_user(user_id, now, keep_session=keep)
    await publish_ended(tx, ended, reason=reason, actor=actor)
    if count:
        await record(tx, "sessions_ended", user_id, actor=actor, reason=reason, where=where)
    return count


async def end_grant(
    tx: Transaction, grant_id: str, reason: EndReason = "grant_ended", *, tells_client: bool = True
) -> list[EndedGrant]:
    """End one client's grant of a session, and the session if that is the client's own; return what has ended.

    Its own is one offline or on a device. A browser's session and its other grants stay active. A client that does it
    itself need not be told.
    """
    session_id = await tx.grants.session_of(grant_id)
    ended = await tx.grants.end(grant_id, tx.now)
    await publish_ended(tx, ended, reason=reason, tells_clients=tells_client)
    session = None if session_id is None else await tx.sessions.live(session_id, tx.now)
    if session is not None and session.kind != "browser":
        await tx.sessions.end(session.id, session.user_id, reason="grant_ended", now=tx.now)
    return ended


async def publish_ended(
    tx: Transaction,
    ended: Sequence[EndedGrant],
    *,
    reason: EndReason,
    actor: str | None = None,
    tells_clients: bool = True,
) -> None:
    """Tell the world that grants have ended: verifiers by their status indexes, clients by logout tokens and signals.

    Without an `actor` the person did it.
    """
    await tx.revocations.revoke_indexes([each.status for each in ended], tx.now)
    if tells_clients:
        await queue_logouts(tx, [each.logout for each in ended], actor=actor, reason=reason)


async def withdraw_consent(
    tx: Transaction, user_id: str, client_id: str, *, actor: str | None = None, where: Origin = NOWHERE
) -> bool:
    """End all that a client holds of a person, and forget what they have allowed it; False where there is nothing."""
    now = tx.now
    was_remembered = await tx.consents.withdraw(user_id, client_id)
    await tx.authorization_codes.remove_unused_of(user_id, client_id)
    await tx.device_codes.remove_unused_of(user_id, client_id)
    ended = await tx.grants.end_at_client(user_id, client_id, now)
    await publish_ended(tx, ended, reason="consent_withdrawn", actor=actor)
    await tx.sessions.end_of_client(user_id, client_id, reason="consent_withdrawn", now=now)
    if not was_remembered and not ended:
        return False
    await record(tx, "consent_withdrawn", user_id, actor=actor, reason=client_id, where=where)
    return True


async def end_tokens_of(tx: Transaction, user_id: str, lists: ListKeys) -> None:
    """Revoke a user's access tokens but keep their sessions: the claims of the tokens are outdated."""
    await move_grants(tx, await tx.grants.live_of_user(user_id, tx.now), lists)


async def move_grants(tx: Transaction, grants: Sequence[tuple[str, StatusIndex]], lists: ListKeys) -> None:
    """Revoke the access tokens of grants, but keep the grants.

    Each grant's bit is set and the grant gets another status index, so that a token issued from data read before this
    commit is revoked from the start.
    """
    now = tx.now
    for start in range(0, len(grants), _MOVED_AT_ONCE):
        some = grants[start : start + _MOVED_AT_ONCE]
        await tx.revocations.revoke_indexes([status for _, status in some], now)
        block = await tx.status_lists.reserve(len(some), new_sealed_key=lists.new_sealed_key, now=now)
        moved = zip((grant_id for grant_id, _ in some), lists.indexes(block), strict=True)
        await tx.grants.move(list(moved))


async def drop_factors(tx: Transaction, user_id: str) -> None:
    """Remove every second factor of a user, including passkeys and trusted devices."""
    await tx.totp.remove(user_id)
    await tx.passkeys.remove_all_of(user_id)
    await tx.recovery_codes.replace(user_id, ())
    await tx.devices.forget_all_of(user_id)


async def record_factors(tx: Transaction, user_id: str, *, where: Origin = NOWHERE) -> bool:
    """Record each kind of factor that is about to be removed; return whether there is any."""
    factors = await tx.factors.of(user_id)
    kinds = [kind for kind, count in (("totp", factors.totp), ("passkey", factors.passkeys)) if count]
    for kind in kinds:
        await record(tx, "factor_removed", user_id, reason=kind, where=where)
    return bool(kinds)


async def disconnect_all(tx: Transaction, user_id: str, *, where: Origin = NOWHERE) -> bool:
    """Remove a user's connected accounts, and record each; return whether there were any."""
    identities = await tx.identities.of(user_id)
    for identity in identities:
        await record(tx, "provider_disconnected", user_id, reason=identity.provider, where=where)
    await tx.identities.remove_all_of(user_id)
    return bool(identities)


async def take_back_factors(tx: Transaction, user_id: str, *, since: float, where: Origin = NOWHERE) -> None:
    """Remove the factors added since then; older ones stay, or access to the mailbox alone would bypass them.

    The intruder who added one may have created recovery codes too, so those are removed as well.
    """
    taken = [
        kind
        for kind, is_taken in (
            ("totp", await tx.totp.remove_set_up_since(user_id, since)),
            ("passkey", await tx.passkeys.remove_made_since(user_id, since)),
        )
        if is_taken
    ]
    for kind in taken:
        await record(tx, "factor_removed", user_id, reason=kind, where=where)
    if taken:
        await tx.recovery_codes.replace(user_id, ())


async def replace_password(tx: Transaction, user_id: str, password_hash: str, *, is_short: bool = False) -> None:
    """Set a new password, and remove trusted devices, which may belong to someone who knew the old one."""
    await tx.passwords.put(user_id, password_hash, tx.now)
    await tx.passwords.mark_short(user_id, is_short=is_short)
    await tx.devices.forget_all_of(user_id)
