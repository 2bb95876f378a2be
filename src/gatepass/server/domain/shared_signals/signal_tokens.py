"""From what is queued to the tokens that a receiver reads (RFC 8417): by its names for people, and its key.

A token says the same at each try, but for claims of a person, which are read when it is made: a receiver never learns
what was true of somebody once, nor what it may no longer know.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from gatepass.jose import base64url, jws
from gatepass.server.domain.sessions.requested_claims import claims_of, released
from gatepass.server.domain.shared_signals.signal_types import CREDENTIAL_TYPES, ENDINGS, SIGNALS, URIS
from gatepass.tokens import security_event_token
from gatepass.tokens.security_event_token import SecurityEventToken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.keys.id_token_signers import IdTokenSigners
    from gatepass.server.domain.keys.keyring import LiveKeys
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.custom_claims import CustomClaims
    from gatepass.server.domain.sessions.subject_identifier import SubjectIdentifiers
    from gatepass.server.domain.shared_signals.queue import QueuedSignal
    from gatepass.server.domain.shared_signals.signal_types import Signal

_OF_RISC = frozenset({"account-disabled", "account-enabled", "account-purged"})


class SignalTokens:
    """Makes the tokens of a stream."""

    def __init__(  # noqa: PLR0913 - what a token is made of
        self,
        database: Database,
        signers: IdTokenSigners,
        subjects: SubjectIdentifiers,
        custom_claims: CustomClaims,
        *,
        keys: LiveKeys,
        data_key: DataKey,
        settings: Settings,
    ) -> None:
        self._database = database
        self._signers = signers
        self._subjects = subjects
        self._custom_claims = custom_claims
        self._keys = keys
        self._causes = data_key.derive("causes of signals")
        self._issuer = settings.issuer_url
        self._idle_seconds = settings.session_idle_seconds

    async def make(self, client: Client, signals: Sequence[QueuedSignal]) -> dict[str, str]:
        """The tokens of a client's stream, by their `jti`. One that is not there has nothing to say to it.

        Raises:
            Unavailable: the key cannot be reached, or there is none of the algorithm that the client has registered.
        """
        made: dict[str, str] = {}
        if not signals:
            return made
        signer = await self._signers.signer(self._keys.current, client.metadata.id_token_signed_response_alg)
        for signal in await self._wanted(client, signals):
            members = await self._members(client, signal)
            if members is not None:
                claims = self._claims(client, signal, members)
                message = security_event_token.signing_input(claims, alg=signer.alg, kid=signer.kid)
                made[signal.jti] = jws.assemble(message, await signer.sign(message))
            await asyncio.sleep(0)  # a page of RSA signatures would hold up everybody
        return made

    async def _wanted(self, client: Client, signals: Sequence[QueuedSignal]) -> list[QueuedSignal]:
        """Without those about people whom the receiver has removed from the stream."""
        names = {each.user_id: self._subjects.subject(client.sector, each.user_id) for each in signals if each.user_id}
        stream_id = signals[0].stream_id

        async def unit(tx: Transaction) -> set[str]:
            return await tx.signal_streams.excluded(stream_id, sorted(set(names.values())))

        excluded = await self._database.read(unit) if names else set[str]()
        return [each for each in signals if names.get(each.user_id) not in excluded]

    def _claims(self, client: Client, signal: QueuedSignal, members: dict[str, Any]) -> SecurityEventToken:
        return SecurityEventToken(
            iss=self._issuer,
            jti=signal.jti,
            iat=int(signal.created_at),
            aud=client.id,
            sub_id=self._subject(client, signal),
            events={URIS[signal.event]: members},
            txn=self._cause(client, signal),
            toe=int(signal.happened_at),
        )

    def _subject(self, client: Client, signal: QueuedSignal) -> dict[str, Any]:
        """Whom the client knows, or the stream itself (SSF §8.1.4)."""
        if not signal.user_id:
            return {"format": "opaque", "id": signal.stream_id}
        sub = self._subjects.subject(client.sector, signal.user_id)
        user = {"format": "iss_sub", "iss": self._issuer, "sub": sub}
        if not signal.session_id:
            return user
        sid = self._subjects.session(client.sector, signal.session_id)
        return {"format": "complex", "user": user, "session": {"format": "opaque", "id": sid}}

    def _cause(self, client: Client, signal: QueuedSignal) -> str:
        """What several tokens to one receiver came of; two receivers cannot find out by it whom both mean."""
        if not signal.cause:
            return ""
        message = f"{client.sector or client.id} {signal.cause}".encode()
        return base64url.encode(hmac.digest(self._causes, message, hashlib.sha256)[:16])

    async def _members(self, client: Client, signal: QueuedSignal) -> dict[str, Any] | None:
        """The members of the event; None where there is nothing to say."""
        match signal.event:
            case "verification":
                return {"state": signal.reason} if signal.reason else {}
            case "stream-updated":
                return {"status": "disabled", "reason": signal.reason}
            case event if event in _OF_RISC:
                return dict(_of_table(signal).members)
            case "token-claims-change":
                claims = await self._changed_claims(client, signal)
                return _of_caep(signal) | {"claims": claims} if claims else None
            case _:
                return _of_caep(signal)

    async def _changed_claims(self, client: Client, signal: QueuedSignal) -> dict[str, object]:
        """What tokens of this client say of the person now, of that which has changed."""

        async def unit(tx: Transaction) -> tuple[User | None, set[str]]:
            held = await tx.grants.held_by_clients(signal.user_id, now=tx.now, idle_seconds=self._idle_seconds)
            scopes = {scope for each in held if each.client_id == client.id for scope in each.scope}
            return await tx.users.by_id(signal.user_id), scopes

        user, scope = await self._database.read(unit)
        scope &= set(client.scope)
        if user is None or not scope:
            return {}
        facts = _of_table(signal).facts or tuple(signal.reason.split())
        names = claims_of(scope).intersection(facts)
        claims = released(user, names, {})
        if "roles" in names:
            claims.setdefault("roles", [])  # none are left, which a token says by leaving them out
        if own := self._custom_claims.names_of(facts, scope):
            sub = self._subjects.subject(client.sector, user.id)
            told = await self._custom_claims.about_person(user.id, sub=sub, scope=scope, organization=None)
            claims |= {name: told.get(name) for name in own}
        return claims


def _of_table(signal: QueuedSignal) -> Signal:
    assert signal.kind
    return SIGNALS[signal.kind]


def _of_caep(signal: QueuedSignal) -> dict[str, Any]:
    """What every event of CAEP may say (§2); its interoperability profile wants a reason in each."""
    row = _of_table(signal)
    text = ENDINGS.get(signal.reason, row.text) if signal.event == "session-revoked" else row.text
    members: dict[str, Any] = {
        "event_timestamp": int(signal.happened_at),
        "initiating_entity": signal.initiator,
        "reason_admin": {"en": text},
        **row.members,
    }
    if signal.event == "credential-change":
        members.setdefault("credential_type", CREDENTIAL_TYPES.get(signal.reason, signal.reason))
    return members
