"""A client that receives Shared Signals: manages its streams by HTTP, and verifies what comes with another library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
from tests.support.relying_party import CALLBACK, add_relying_party

from gatepass.server.domain.sessions.client_metadata import ClientMetadata
from gatepass.server.domain.shared_signals.signal_types import SUPPORTED

if TYPE_CHECKING:
    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
EVERYTHING = tuple(SUPPORTED)
GRANTS = ("authorization_code", "refresh_token", "client_credentials")


@dataclass(frozen=True)
class SignalReceiver:
    """A client with the scopes for streams, at which people sign in."""

    party: RelyingParty
    api: httpx.Client

    def bearer(self, scope: str = "ssf.manage ssf.read") -> dict[str, str]:
        """A token of the client's own for its streams."""
        asked = {"grant_type": "client_credentials", "scope": scope, **self.party.credentials}
        answer = self.api.post("/oauth/token", data=asked)
        assert answer.status_code == 200, answer.text
        return {"authorization": f"Bearer {answer.json()['access_token']}"}

    def sign_in(self, person: dict[str, str]) -> dict[str, Any]:
        """Sign somebody in at this client; the tokens of the grant, with an ID token."""
        first = self.api.post("/login", json=person | {"client_id": self.party.id})
        assert first.status_code == 200, first.text
        return self.party.refresh(self.api, first.json()["refresh_token"])

    def call(self, method: str, path: str, body: object = None, **query: str) -> httpx.Response:
        """Make a call about streams."""
        return self.api.request(method, path, headers=self.bearer(), json=body, params=query)

    def stream(self, events: tuple[str, ...] = EVERYTHING, /, **delivery: str) -> str:
        """Make a stream, polled unless something else is said; its id."""
        wanted = {"delivery": delivery} if delivery else {}
        answer = self.call("POST", "/ssf/streams", {"events_requested": events, **wanted})
        assert answer.status_code == 201, answer.text
        stream_id: str = answer.json()["stream_id"]
        return stream_id

    def fetch(self, stream_id: str, **asked: object) -> dict[str, Any]:
        """Poll without waiting; the answer."""
        answer = self.call("POST", f"/ssf/poll/{stream_id}", {"returnImmediately": True} | asked)
        assert answer.status_code == 200, answer.text
        sets: dict[str, Any] = answer.json()
        return sets

    def told(self, stream_id: str) -> list[tuple[str, dict[str, Any]]]:
        """Poll, verify and acknowledge; the short type and the claims of each token, in the order of their events."""
        sets = self.fetch(stream_id)["sets"]
        claims = [self.verified(token) for token in sets.values()]
        assert [each["jti"] for each in claims] == list(sets)
        self.fetch(stream_id, maxEvents=0, ack=list(sets))
        return [(short(each), each) for each in claims]

    def verified(self, token: str) -> dict[str, Any]:
        """The claims of a token for this client, by the keys that the transmitter's metadata names (PyJWT)."""
        metadata = self.api.get("/.well-known/ssf-configuration").json()
        keys = jwt.PyJWKSet.from_dict(self.api.get(metadata["jwks_uri"]).json())
        header = jwt.get_unverified_header(token)
        assert header["typ"] == "secevent+jwt"
        claims: dict[str, Any] = jwt.decode(
            token,
            keys[header["kid"]],
            algorithms=[header["alg"]],
            issuer=metadata["issuer"],
            audience=self.party.id,
            options={"require": ["iss", "aud", "iat", "jti"], "verify_iat": False},
        )
        assert claims.keys() & {"sub", "exp", "nonce"} == set()
        assert len(claims["events"]) == 1
        return claims


def short(claims: dict[str, Any]) -> str:
    """The last part of the type of the only event."""
    [uri] = claims["events"]
    return str(uri).rpartition("/")[2]


def members(claims: dict[str, Any]) -> dict[str, Any]:
    """What the only event says."""
    [event] = claims["events"].values()
    found: dict[str, Any] = event
    return found


def add_receiver(
    server: RunningServer,
    api: httpx.Client,
    *,
    scope: tuple[str, ...] = ("openid", "email", "roles", "ssf.manage", "ssf.read"),
    grants: tuple[str, ...] = GRANTS,
    **metadata: Any,  # noqa: ANN401 - of a client
) -> SignalReceiver:
    """Register one, as the command line would."""
    party = add_relying_party(
        server, scope=scope, metadata=ClientMetadata(redirect_uris=(CALLBACK,), **metadata), grant_types=grants
    )
    return SignalReceiver(party, api)
