"""From a grant to its ID token, after the commit: signing may wait for a network."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from gatepass.jose import jws
from gatepass.server.domain.sessions.requested_claims import allowed_by, claims_of, read_claims, released
from gatepass.tokens import id_token
from gatepass.tokens.id_token import IdToken

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.keys.id_token_signers import IdTokenSigners
    from gatepass.server.domain.keys.keyring import KeyRing
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.custom_claims import CustomClaims
    from gatepass.server.domain.sessions.grant import TokenSubject
    from gatepass.server.domain.sessions.subject_identifier import SubjectIdentifiers

_JTI_BYTES = 16
_NOT_IN_RFC_8176 = frozenset({"fed"})
"""What our access tokens say besides of a sign-in at another site."""


class IdTokenIssuer:
    """Makes ID tokens, and knows its own again."""

    def __init__(
        self,
        database: Database,
        signers: IdTokenSigners,
        subjects: SubjectIdentifiers,
        custom_claims: CustomClaims,
        settings: Settings,
    ) -> None:
        self._database = database
        self._signers = signers
        self._subjects = subjects
        self._custom_claims = custom_claims
        self._issuer = settings.issuer_url

    async def prepare(self, client: Client, keys: KeyRing) -> None:
        """See, before a code is used up, that there will be a key to sign with. Raises as `mint`."""
        await self._signers.signer(keys, client.metadata.id_token_signed_response_alg)

    async def mint(  # noqa: PLR0913 - what an ID token is made of
        self,
        subject: TokenSubject,
        *,
        client: Client,
        access_token: str,
        nonce: str | None,
        keys: KeyRing,
        now: float,
    ) -> str:
        """Mint the ID token that goes with an access token of the grant.

        Raises:
            Unavailable: the key cannot be reached, or there is none of the algorithm that the client has registered.
        """
        signer = await self._signers.signer(keys, client.metadata.id_token_signed_response_alg)
        issued_at = int(now)
        claims = IdToken(
            iss=self._issuer,
            sub=self._subjects.subject(subject.client_sector, subject.user_id),
            aud=client.id,
            exp=issued_at + id_token.LIFETIME,
            iat=issued_at,
            auth_time=int(subject.auth_time),
            jti=secrets.token_urlsafe(_JTI_BYTES),
            nonce=nonce,
            acr=subject.acr or None,
            amr=tuple(name for name in subject.amr if name not in _NOT_IN_RFC_8176),
            sid=self._subjects.session(subject.client_sector, subject.browser_session_id or subject.session_id),
            at_hash=id_token.at_hash(access_token, signer.alg),
        )
        custom = await self._custom_claims.about_person(
            subject.user_id, sub=claims.sub, scope=subject.scope, organization=subject.organization
        )
        about_person = custom | await self._about_person(subject, client)
        message = id_token.signing_input(claims, alg=signer.alg, kid=signer.kid, about_person=about_person)
        return jws.assemble(message, await signer.sign(message))

    async def _about_person(self, subject: TokenSubject, client: Client) -> dict[str, object]:
        """What was asked for by name, and the claims of scopes where the operator wants them here (Core §5.4)."""
        asked = allowed_by(client.scope, read_claims(subject.claims).id_token)
        names = claims_of(subject.scope) if client.rules.claims_in_id_token else frozenset[str]()
        if not asked and not names:
            return {}

        async def unit(tx: Transaction) -> User | None:
            return await tx.users.by_id(subject.user_id)

        user = await self._database.read(unit)
        return {} if user is None else released(user, names, asked)

    def read_hint(self, token: str, keys: KeyRing, *, client_id: str | None) -> IdToken:
        """Read an `id_token_hint`; see `check_hint`. Its `sub` and `sid` are as its client knows them."""
        return id_token.check_hint(token, keys.hints, issuer=self._issuer, client_id=client_id)
