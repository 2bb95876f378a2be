"""THREATS 7: a stolen signing key revokes the honest one through the feed.

The thief has a key that signs the server's tokens, and answers where a cache or a relay does: what they send in place
of the snapshot reaches a verifier. The server is a real one, and so is the key.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.published import document_keys, token_keys
from tests.support.server import ANN, NOON, running_server
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import JoseError, Key, KeySet, jws, jwt
from gatepass.jose.errors import InvalidPolicyError
from gatepass.server.base.settings.trusted_issuers import read_keys
from gatepass.server.domain.keys.rotation import stored_keys
from gatepass.server.domain.keys.schedule import line
from gatepass.server.store.opening import open_store
from gatepass.tokens import published_keys, revocation_snapshot
from gatepass.tokens.revocation_snapshot import Snapshot
from gatepass.verify import Fetched, Verifier

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import RunningServer

    from gatepass.server.domain.keys.schedule import Use
    from gatepass.verify.verifier import AnyOf


async def stolen(server: RunningServer, use: Use) -> Key:
    """The private key of a use, as whoever has the database and the master key has it."""
    async with open_store(server.settings, server.clock) as (database, data_key):
        row = line(await stored_keys(database), use)[0]
        return Key.from_jwk(data_key.unseal(row.sealed, row.kid))


def verdict(verifier: Verifier | AnyOf, token: str) -> str:
    """What becomes of a token."""
    try:
        verifier.verify(token)
    except JoseError as error:
        return error.code
    return "good"


@pytest.mark.parametrize(("use", "is_believed"), [("sig", False), ("documents", True)])
def test_a_thief_names_the_honest_key(tmp_path: Path, *, use: Use, is_believed: bool) -> None:
    """Signed by the key of tokens, the news that an honest key is stolen is refused, and its tokens are good.

    Only the key of documents is believed, which shows that the forgery is one that would do harm.
    """
    with running_server(tmp_path) as server, server.client() as api:
        api.post("/signup", json=ANN)
        token = api.post("/login", json=ANN).json()["token"]
        honest = str(jwt.peek(token).headers["kid"])
        key = asyncio.run(stolen(server, use))
        claims = Snapshot(
            iss=server.url, iat=int(NOON), exp=int(NOON) + 300, epoch="thief", event_id=9, jtis={}, kids=(honest,)
        )
        message = revocation_snapshot.signing_input(claims, alg=key.alg, kid=key.kid or "")
        forged = jws.assemble(message, key.sign(message))

        def fetch(url: str) -> Fetched:
            answer = httpx.get(url)
            body = forged.encode() if url.endswith("/revocations/snapshot") else answer.content
            return Fetched(answer.status_code, answer.headers, body)

        with Verifier(issuer=server.url, audience=server.url, clock=server.clock, fetch=fetch) as verifier:
            verdict(verifier, token)
            eventually(lambda: verifier.health().refusals > 0 or verdict(verifier, token) == "revoked")
            assert verdict(verifier, token) == ("revoked" if is_believed else "good")


def test_a_restart_forgets_what_a_thief_has_named(tmp_path: Path) -> None:
    """Once the stolen key of documents is withdrawn: a verifier that believed goes on to refuse, a new one does not."""
    with running_server(tmp_path) as server, server.client() as api:
        api.post("/signup", json=ANN)
        token = api.post("/login", json=ANN).json()["token"]
        key = asyncio.run(stolen(server, "documents"))
        claims = Snapshot(
            iss=server.url,
            iat=int(NOON),
            exp=int(NOON) + 300,
            epoch="thief",
            event_id=9,
            jtis={},
            kids=(str(jwt.peek(token).headers["kid"]),),
        )
        message = revocation_snapshot.signing_input(claims, alg=key.alg, kid=key.kid or "")
        forged = [jws.assemble(message, key.sign(message))]

        def fetch(url: str) -> Fetched:
            answer = httpx.get(url)
            is_forged = forged and url.endswith("/revocations/snapshot")
            return Fetched(answer.status_code, answer.headers, forged[0].encode() if is_forged else answer.content)

        def new_verifier() -> Verifier:
            return Verifier(issuer=server.url, audience=server.url, clock=server.clock, fetch=fetch)

        with new_verifier() as before:
            verdict(before, token)
            eventually(lambda: verdict(before, token) == "revoked")
            main(["key", "compromise", key.kid or "", *server.place])
            forged.clear()
            with new_verifier() as after:
                after.start()
                assert (verdict(before, token), verdict(after, token)) == ("revoked", "good")


def test_the_key_of_documents_signs_no_token(tmp_path: Path) -> None:
    """Neither the server nor a verifier takes one that it has signed; the two kinds of keys have none in common."""
    with running_server(tmp_path) as server, server.client() as api:
        api.post("/signup", json=ANN)
        token = api.post("/login", json=ANN).json()["token"]
        key = asyncio.run(stolen(server, "documents"))
        claims: dict[str, Any] = dict(jwt.peek(token).claims)
        forged = jwt.sign(claims, key, typ="at+jwt")
        with Verifier(issuer=server.url, audience=server.url, clock=server.clock) as verifier:
            assert [verdict(verifier, each) for each in (token, forged)] == ["good", "unknown_key"]
        for each, status in ((token, 200), (forged, 401)):
            assert api.get("/me", headers={"authorization": f"Bearer {each}"}).status_code == status
        assert {key.kid for key in token_keys(api)}.isdisjoint(key.kid for key in document_keys(api))


def test_the_key_of_documents_in_a_file_signs_no_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is it believed from a key set that was saved: by `gatepass token verify`, or for a trusted issuer."""
    signs, documents = Key.generate("ES256", kid="tokens"), Key.generate("ES256", kid="documents")
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": published_keys.members(KeySet([signs, documents]), {"documents"})}))
    claims = {"iss": "https://a.example", "aud": "api", "sub": "ann", "client_id": "c", "jti": "1"}
    now = int(time.time())
    policy = ["--issuer", "https://a.example", "--audience", "api", "--jwks", str(file)]

    def verify(key: Key) -> None:
        token = jwt.sign({**claims, "iat": now, "exp": now + 300}, key, typ="at+jwt")
        main(["token", "verify", token, *policy])

    verify(signs)
    with pytest.raises(SystemExit):
        verify(documents)
    assert "unknown_key" in capsys.readouterr().err
    assert [key.kid for key in read_keys(str(file))] == ["tokens"]


def test_the_key_of_documents_in_given_keys_signs_no_token() -> None:
    """Nor by a verifier that is given a saved key set, or the key itself; the key of tokens in the same set does."""
    signs, documents = Key.generate("ES256", kid="tokens"), Key.generate("ES256", kid="documents")
    saved = {"keys": published_keys.members(KeySet([signs, documents]), {"documents"})}
    now = time.time()
    claims = {"iss": "https://a.example", "aud": "api", "sub": "ann", "client_id": "c", "jti": "1"}
    tokens = [
        jwt.sign({**claims, "iat": int(now), "exp": int(now) + 300}, key, typ="at+jwt") for key in (signs, documents)
    ]
    for keys in (KeySet.from_jwks(saved), KeySet.from_public_jwks(json.dumps(saved)), KeySet(KeySet.from_jwks(saved))):
        verifier = Verifier(issuer="https://a.example", audience="api", keys=keys)
        for each in (verifier, Verifier.any_of(verifier)):
            assert [verdict(each, token) for token in tokens] == ["good", "unknown_key"]
    with pytest.raises(InvalidPolicyError, match="revocations"):
        Verifier(issuer="https://a.example", audience="api", keys=Key.from_jwk(saved["keys"][-1]))
