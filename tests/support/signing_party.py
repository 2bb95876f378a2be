"""A registered client that signs: its assertions (RFC 7523), and its authorization requests (RFC 9101)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.relying_party import CALLBACK, RelyingParty, add_relying_party

from gatepass.jose import Key, KeySet, jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata
from gatepass.server.web.auth.client import ASSERTION_TYPE
from gatepass.tokens.request_object import TYP

if TYPE_CHECKING:
    from tests.support.server import RunningServer


@dataclass(frozen=True)
class SigningParty(RelyingParty):
    """One whose key is registered by value."""

    key: Key = field(default_factory=lambda: Key.generate("ES256"))

    @property
    def credentials(self) -> dict[str, str]:
        """What it sends in forms: a fresh assertion each time."""
        return self.assertion()

    def assertion(self, *, key: Key | None = None, typ: str = "JWT", **changes: Any) -> dict[str, str]:  # noqa: ANN401
        """The fields of `private_key_jwt`; None leaves a claim out."""
        now = int(self.server.clock())
        usual = {"iss": self.id, "sub": self.id, "aud": self.server.url, "jti": secrets.token_hex(8), "exp": now + 60}
        return {
            "client_id": self.id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": jwt.sign(_left(usual | changes), key or self.key, typ),
        }

    def sign(
        self,
        parameters: dict[str, str],
        *,
        key: Key | None = None,
        typ: str | None = TYP,
        **changes: Any,  # noqa: ANN401 - claims
    ) -> str:
        """These parameters as a request object; None leaves a claim out."""
        now = int(self.server.clock())
        usual = {"iss": self.id, "aud": self.server.url, "nbf": now, "exp": now + 300, "jti": secrets.token_hex(8)}
        return jwt.sign(_left(parameters | usual | changes), key or self.key, typ)


def _left(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not None}


def add_signing_party(
    server: RunningServer,
    *,
    alg: str = "ES256",
    metadata: dict[str, Any] | None = None,
    **more: Any,  # noqa: ANN401 - fields of a client
) -> SigningParty:
    """Register one. Its tokens are for the issuer."""
    key = Key.generate(alg)
    party = add_relying_party(
        server,
        metadata=ClientMetadata(**{"redirect_uris": (CALLBACK,), **(metadata or {})}),
        auth_method="private_key_jwt",
        jwks=json.dumps(KeySet([key]).to_jwks()),
        **more,
    )
    return SigningParty(party.id, "", server, key)
