"""Key material and tokens in places where they are read by others: messages, reprs, pickles, tracebacks."""

from __future__ import annotations

import copy
import pickle
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.forge import b64, dumps, hs256

from gatepass.jose import Key, KeySet, errors, jwe, jws, jwt

if TYPE_CHECKING:
    from collections.abc import Callable

ALGORITHMS = ("HS256", "RS256", "ES256", "Ed25519", "ML-DSA-44", "A256KW", "A256GCM", "RSA-OAEP", "ECDH-ES")
SECRET_MEMBERS = ("k", "d", "p", "q", "dp", "dq", "qi", "priv")


def secrets_of(key: Key) -> list[str]:
    """Return every secret member of a key, and the octets of each as Python would show them."""
    jwk = key.to_jwk(private=True)
    return [jwk[name] for name in SECRET_MEMBERS if name in jwk]


def everything(error: BaseException) -> str:
    """Write all that a log would keep of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(error.args) + str(vars(error))


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_what_is_shown_of_a_key(alg: str) -> None:
    """repr, str, format, a set's repr and a broken copy show kid and alg only."""
    key = Key.generate(alg)
    shown = f"{key!r} {key!s} {key} {KeySet([key])!r} {vars(type(key)).keys()}"
    assert not any(secret in shown for secret in secrets_of(key))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for value in (key, KeySet([key]), [key]):
            with pytest.raises(errors.InvalidKeyError) as caught:
                pickle.dumps(value, protocol)
            assert not any(secret in everything(caught.value) for secret in secrets_of(key))
    assert copy.deepcopy({"key": key})["key"] is key
    assert not hasattr(key, "__dict__")


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_errors_about_a_private_key(alg: str) -> None:
    """A private JWK or PEM that is refused for any reason is not repeated in the error."""
    key = Key.generate(alg)
    jwk = key.to_jwk(private=True)
    spoilt: list[Any] = [jwk | {name: change} for name in jwk for change in ("A", "", 5, None, jwk[name] + "=", "AAAA")]
    spoilt += [{name: jwk[name] for name in jwk if name != gone} for gone in jwk]
    spoilt += [dumps(jwk)[:-1], dumps(jwk) * 2, [jwk], str(jwk)]
    for document in spoilt:
        shown = shown_by(partial(Key.from_jwk, document, "RS512" if alg == "ES256" else None))
        assert not any(secret in shown for secret in secrets_of(key))
    if not key.is_secret:
        pem = key.to_pem(private=True).decode()
        for text in (pem[:-40], pem.replace("PRIVATE", "PUBLIC"), pem[100:], pem.replace("\n", " ")):
            shown = shown_by(partial(Key.from_pem, text, alg))
            assert not any(line in shown for line in pem.splitlines()[1:-1])


def shown_by(attempt: Callable[[], object]) -> str:
    """Return what an error says, or nothing if there is none."""
    try:
        attempt()
    except errors.JoseError as error:
        return everything(error)
    return ""


CLAIMS = dumps({"sub": "a-person-nobody-should-read-of", "exp": 1, "aud": "other-api-named-here"})


def test_errors_about_a_token() -> None:
    """No error repeats a token, a part of it or a claim's value."""
    secret = bytes(range(32))
    key = Key.from_secret(secret, "HS256")
    token = hs256(secret, dumps({"alg": "HS256", "typ": "typ-of-the-attacker", "kid": "kid-of-the-attacker"}), CLAIMS)
    header, payload, signature = token.split(".")
    recipient = Key.generate("A256KW")
    encrypted = jwe.encrypt(CLAIMS, recipient, headers={"kid": "kid-of-the-attacker"})
    policies: list[dict[str, Any]] = [
        {},
        {"typ": "JWT"},
        {"audience": "my-api"},
        {"issuer": "me"},
        {"now": 0, "audience": "my-api"},
        {"now": 0, "required": ("jti",)},
        {"now": 0, "into": int},
    ]
    attempts: list[Callable[[], object]] = [
        partial(jwt.verify, token, key, **({"issuer": None, "audience": None, "typ": None} | policy))
        for policy in policies
    ]
    attempts += [
        lambda: jws.verify(token[:-1] + "A", key),
        lambda: jws.verify(token + "=", key),
        lambda: jws.verify(token, KeySet([Key.generate("HS256")])),
        lambda: jws.verify(token, Key.generate("ES256")),
        lambda: jwt.peek(token + "."),
        lambda: jwe.decrypt(encrypted, KeySet([recipient])),
        lambda: jwe.decrypt(encrypted[:-4] + "AAAA", recipient),
    ]
    for attempt in attempts:
        with pytest.raises(errors.JoseError) as caught:
            attempt()
        shown = f"{caught.value!r} {caught.value!s} {caught.value.args} {vars(caught.value)} {caught.value.__cause__}"
        for hidden in (header, payload, signature, "attacker", "nobody-should-read", "named-here", b64(secret)):
            assert hidden not in shown


def test_errors_survive_a_pickle() -> None:
    """Errors cross processes whole, as worker pools need."""
    for error in (
        errors.ExpiredError("late", claim="exp"),
        errors.MalformedError("odd"),
        errors.DecryptionFailedError(),
    ):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        assert (type(again), str(again), again.code) == (type(error), str(error), error.code)
        assert getattr(again, "claim", None) == getattr(error, "claim", None)
