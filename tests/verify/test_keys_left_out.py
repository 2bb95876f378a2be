"""Keys that an issuer publishes and we cannot use, or cannot choose from: what the error, the log and health say."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.scripted_issuer import JWKS, Clock, ScriptedIssuer, answer

from gatepass.jose import JoseError, Key
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Iterable

RSA, OTHER = Key.generate("RS256"), Key.generate("RS256")
REASON = "this type of key is for several algorithms, and alg= does not name one"


def as_entra(key: Key) -> dict[str, Any]:
    """A member as Microsoft Entra publishes it: `use` and no `alg`."""
    return {name: value for name, value in key.public().to_jwk().items() if name != "alg"} | {"use": "sig"}


def publish(issuer: ScriptedIssuer, members: Iterable[dict[str, Any]]) -> None:
    """Publish a JWK Set."""
    body = json.dumps({"keys": list(members)}).encode()
    issuer.scripts[JWKS] = lambda connection: answer(connection, body)


def verifier_of(issuer: ScriptedIssuer, **policy: Any) -> Verifier:  # noqa: ANN401 - any argument of Verifier
    """Verify its tokens."""
    return Verifier(issuer=issuer.url, audience="my-api", revocation=None, clock=Clock(), **policy)


def refusal(verifier: Verifier, token: str) -> JoseError:
    """Expect a refusal."""
    with pytest.raises(JoseError) as caught:
        verifier.verify(token)
    return caught.value


def test_keys_without_alg_are_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    """Keys that do not say what they are for are named in error, log (once) and health; `alg=` cures it."""
    with ScriptedIssuer() as issuer, caplog.at_level(logging.WARNING):
        publish(issuer, [as_entra(RSA), as_entra(OTHER)])
        verifier = verifier_of(issuer)
        for _ in range(3):
            error = refusal(verifier, issuer.token(RSA))
            assert error.code == "unknown_key"
            assert f"2 of 2 published keys are not used: {REASON}" in str(error)
        assert verifier.health().keys_problem == f"2 of 2 published keys are not used: {REASON}"
        assert len([one for one in caplog.records if REASON in one.message and "was refused" in one.message]) == 1
        assert len([one for one in caplog.records if REASON in one.message and "was refused" not in one.message]) == 1
        cured = verifier_of(issuer, alg="RS256")
        assert cured.verify(issuer.token(RSA)).subject == "user_1"
        assert cured.health().keys_problem is None


def test_a_token_without_kid_gets_the_reason_too() -> None:
    """It is not the token's algorithm that is wrong where no key could be read."""
    with ScriptedIssuer() as issuer:
        publish(issuer, [as_entra(RSA)])
        bare = Key.from_jwk({name: value for name, value in RSA.to_jwk(private=True).items() if name != "kid"})
        token = issuer.token(Key(bare._material, bare._algorithm, None))
        assert REASON in str(refusal(verifier_of(issuer), token))


def test_the_same_key_twice_counts_once() -> None:
    """A member that is repeated, under one name or two, leaves no doubt about which key is meant."""
    with ScriptedIssuer() as issuer:
        member = RSA.public().to_jwk()
        publish(issuer, [member, dict(member), member | {"kid": "again"}])
        verifier = verifier_of(issuer)
        nameless = Key(RSA._material, RSA._algorithm, None)
        for key in (RSA, nameless):
            assert verifier.verify(issuer.token(key)).subject == "user_1"


def test_two_keys_that_fit_are_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    """Two different keys under one name: neither is tried, and error and log say so, not that keys are unknown."""
    with ScriptedIssuer() as issuer:
        publish(issuer, [RSA.public().to_jwk() | {"kid": "k"}, OTHER.public().to_jwk() | {"kid": "k"}])
        verifier = verifier_of(issuer)
        key = Key(RSA._material, RSA._algorithm, "k")
        for _ in range(2):
            error = refusal(verifier, issuer.token(key))
            assert (error.code, str(error)) == ("unknown_key", "more than one key fits")
        assert len([one for one in caplog.records if "more than one key fits" in one.message]) == 1


def test_an_outage_is_in_health() -> None:
    """The reason of the last failed fetch is there for whoever looks after the API."""
    with ScriptedIssuer() as issuer:
        issuer.scripts[JWKS] = lambda connection: answer(connection, b"", status=500)
        verifier = verifier_of(issuer)
        assert refusal(verifier, issuer.token()).code == "issuer_unavailable"
        assert verifier.health().keys_problem == f"{issuer.origin}{JWKS} answered 500"


def test_the_log_is_not_filled_by_unknown_keys(caplog: pytest.LogCaptureFixture) -> None:
    """Any number of tokens under keys of nobody is one line."""
    with ScriptedIssuer() as issuer, caplog.at_level(logging.WARNING):
        verifier = verifier_of(issuer)
        for _ in range(5):
            assert str(refusal(verifier, issuer.token(Key.generate("ES256")))) == "no key has this kid"
        assert len(caplog.records) == 1
