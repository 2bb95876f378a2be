"""What introspection tells as a signed token (RFC 9701)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.stories.test_signed_responses import keys_of
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.server import ANN

from gatepass.jose import jwt
from gatepass.jose.errors import InvalidPolicyError, JoseError
from gatepass.server.domain.sessions.client_metadata import ClientMetadata
from gatepass.tokens import id_token, introspection_response
from gatepass.verify import Verifier

if TYPE_CHECKING:
    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

SIGNED = "application/token-introspection+jwt"


def party_of(server: RunningServer, api: httpx.Client, alg: str = "") -> RelyingParty:
    """A client that has registered an algorithm, and Ann."""
    api.post("/signup", json=ANN)
    metadata = ClientMetadata(redirect_uris=(CALLBACK,), introspection_signed_response_alg=alg)
    return add_relying_party(server, metadata=metadata)


def ask(api: httpx.Client, party: RelyingParty, token: str, accept: str = SIGNED) -> httpx.Response:
    """Ask about a token."""
    answer = api.post("/oauth/introspect", data={"token": token, **party.credentials}, headers={"accept": accept})
    assert answer.status_code == 200, answer.text
    return answer


def read(server: RunningServer, api: httpx.Client, party: RelyingParty, answer: httpx.Response) -> dict[str, Any]:
    """What a signed answer says."""
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (SIGNED, "no-store")
    return dict(
        jwt.verify(
            answer.text,
            keys_of(api),
            issuer=server.url,
            audience=party.id,
            typ="token-introspection+jwt",
            required=("iat",),
            now=server.clock(),
        )
    )


@pytest.mark.parametrize(("registered", "alg"), [("", "RS256"), ("ES256", "ES256")])
def test_the_same_is_told_signed(server: RunningServer, api: httpx.Client, registered: str, alg: str) -> None:
    """§5, §6: `iss`, `aud`, `iat` and the members of RFC 7662, by the client's algorithm; of a dead token nothing."""
    party = party_of(server, api, registered)
    tokens = party.sign_in(api)
    for token in (tokens["access_token"], tokens["refresh_token"], "x"):
        plain, signed = ask(api, party, token, "application/json"), ask(api, party, token)
        assert jwt.peek(signed.text).headers["alg"] == alg
        told = read(server, api, party, signed)
        assert set(told) == {"iss", "aud", "iat", "token_introspection"}
        assert told["token_introspection"] == plain.json()
    assert read(server, api, party, ask(api, party, "x"))["token_introspection"] == {"active": False}


def test_only_who_asks_for_it_gets_it(server: RunningServer, api: httpx.Client) -> None:
    """§4: by `Accept`, in any of its spellings; who says nothing of it gets JSON, also with an algorithm registered."""
    party = party_of(server, api, "ES256")
    for accept in ("*/*", "application/json", "application/jwt", "application/token-introspection+jwtx"):
        assert ask(api, party, "x", accept).json() == {"active": False}
    for accept in (SIGNED.upper(), f"application/json, {SIGNED};q=0.9"):
        assert ask(api, party, "x", accept).headers["content-type"] == SIGNED


def test_it_passes_for_nothing_else(server: RunningServer, api: httpx.Client) -> None:
    """§8.1, RFC 8725bis §3.12: it is no access token and no ID token, whatever it tells of one."""
    party = party_of(server, api, "ES256")
    signed = ask(api, party, party.sign_in(api)["access_token"]).text
    with pytest.raises(JoseError):
        Verifier(issuer=server.url, audience=party.id).verify(signed)
    with pytest.raises(JoseError):
        id_token.check_hint(signed, keys_of(api), issuer=server.url, client_id=party.id)
    assert api.get("/oauth/userinfo", headers={"authorization": f"Bearer {signed}"}).status_code == 401
    with pytest.raises(InvalidPolicyError):
        introspection_response.signing_input({}, issuer="i", client_id="c", now=0, alg="HS256", kid="k")


def test_the_metadata_says_so(api: httpx.Client) -> None:
    """§7."""
    document = api.get("/.well-known/oauth-authorization-server").json()
    assert "RS256" in document["introspection_signing_alg_values_supported"]
