"""Telling clients that a sign-in is over (OpenID Connect Back-Channel Logout 1.0): with retries, by any node."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import structlog

from gatepass.jose import jws
from gatepass.server.base.errors import Unavailable
from gatepass.server.domain.events.event import SERVER
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.telling import Telling, few_at_a_time
from gatepass.tokens import logout_token
from gatepass.tokens.logout_token import LogoutToken
from gatepass.verify.issuer import FetchError

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.id_token_signers import IdTokenSigners
    from gatepass.server.domain.keys.keyring import LiveKeys
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.public_fetch import PublicFetch
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.logout_queue import QueuedLogout
    from gatepass.server.domain.sessions.subject_identifier import SubjectIdentifiers

log = structlog.get_logger("gatepass")

PAUSES = (5.0, 30.0, 300.0, 3_600.0, 21_600.0)
"""Seconds before each further try; after the last it is given up."""
_AT_ONCE = 20
_CLAIM_SECONDS = 60.0
"""How long one node owns a delivery: longer than `_AT_ONCE` of them take, a few at a time."""
_JTI_BYTES = 16
_DELIVERED = (200, 204)
_REFUSED = 400
"""§2.8: the client could not do it, or takes the token for none of ours. It would not take the next one either."""

Outcome: TypeAlias = Literal["delivered", "refused", "unreachable"]


class LogoutDelivery:
    """Delivers what is in the queue. Where to, the client's registration says and nothing else."""

    def __init__(  # noqa: PLR0913 - what a delivery is made of
        self,
        database: Database,
        fetch: PublicFetch,
        signers: IdTokenSigners,
        subjects: SubjectIdentifiers,
        *,
        keys: LiveKeys,
        settings: Settings,
    ) -> None:
        self._database = database
        self._fetch = fetch
        self._signers = signers
        self._subjects = subjects
        self._keys = keys
        self._issuer = settings.issuer_url
        self._telling = Telling("client", self._tell)

    async def send_due(self) -> None:
        """Begin with what is due: a client that is slow holds up no other."""

        async def look(tx: Transaction) -> list[str]:
            return await tx.logout_deliveries.due_receivers(tx.now)

        self._telling.begin(await self._database.read(look))

    def close(self) -> None:
        """Stop."""
        self._telling.close()

    async def _tell(self, client_id: str) -> bool:
        async def unit(tx: Transaction) -> list[QueuedLogout]:
            until = tx.now + _CLAIM_SECONDS
            return await tx.logout_deliveries.claim_of(client_id, now=tx.now, until=until, limit=_AT_ONCE)

        queued = await self._database.transaction(unit, shared=True)
        for failure in filter(None, await few_at_a_time(map(self._deliver, queued))):
            raise failure
        return bool(queued)

    async def _deliver(self, queued: QueuedLogout) -> None:
        try:
            outcome = await self._tell_of(queued)
        except Exception:  # a defect of ours is a try as any other: else it would come again with each claim
            await self._database.transaction(partial(_note, queued=queued, outcome="unreachable"), shared=True)
            raise
        await self._database.transaction(partial(_note, queued=queued, outcome=outcome), shared=True)

    async def _tell_of(self, queued: QueuedLogout) -> Outcome:
        async def find(tx: Transaction) -> tuple[Client | None, float]:
            return await tx.clients.by_id(queued.client_id), tx.now

        client, now = await self._database.read(find)
        # One that is gone, or hears of it no more, has nothing to be told.
        has_uri = client is not None and client.metadata.backchannel_logout_uri
        return await self._send(queued, client, now) if client is not None and has_uri else "delivered"

    async def _send(self, queued: QueuedLogout, client: Client, now: float) -> Outcome:
        """Send a fresh token, for it expires before the next try."""
        uri = client.metadata.backchannel_logout_uri
        try:
            answer = await self._fetch.post(uri, {"logout_token": await self._token(queued, client, now)})
        except (FetchError, Unavailable) as error:
            log.warning("a client was not told of a logout", client_id=client.id, reason=str(error), tries=queued.tries)
            return "unreachable"
        if answer.status in _DELIVERED:
            return "delivered"
        log.warning("a client did not take a logout", client_id=client.id, status=answer.status, tries=queued.tries)
        return "refused" if answer.status == _REFUSED else "unreachable"

    async def _token(self, queued: QueuedLogout, client: Client, now: float) -> str:
        """Mint the token with the key of the client's ID tokens, and the names that those have."""
        signer = await self._signers.signer(self._keys.current, client.metadata.id_token_signed_response_alg)
        claims = LogoutToken(
            iss=self._issuer,
            sub=self._subjects.subject(client.sector, queued.user_id),
            aud=client.id,
            iat=int(now),
            exp=int(now) + logout_token.LIFETIME,
            jti=secrets.token_urlsafe(_JTI_BYTES),
            sid=self._subjects.session(client.sector, queued.session_id),
        )
        message = logout_token.signing_input(claims, alg=signer.alg, kid=signer.kid)
        return jws.assemble(message, await signer.sign(message))


async def _note(tx: Transaction, queued: QueuedLogout, outcome: Outcome) -> None:
    """Try again later, or remove what was delivered, refused or given up."""
    if outcome == "unreachable" and queued.tries <= len(PAUSES):
        await tx.logout_deliveries.put_off(queued.id, tx.now + PAUSES[queued.tries - 1])
        return
    await tx.logout_deliveries.remove(queued.id)
    if outcome != "delivered":
        await _record_failure(tx, queued)


async def _record_failure(tx: Transaction, queued: QueuedLogout) -> None:
    """Record that a client was not told; of nobody, where the account is gone meanwhile."""
    user_id = queued.user_id if await tx.users.by_id(queued.user_id) is not None else ""
    await record(
        tx, "logout_not_delivered", user_id, actor=SERVER, session_id=queued.session_id, reason=queued.client_id
    )
