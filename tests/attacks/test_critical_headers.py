"""Extensions that a token calls critical (RFC 7515 §4.1.11), `b64` before all (RFC 7797)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.forge import b64, dumps, hs256, signed

from gatepass.jose import Key, KeySet, errors, jws, jwt

SECRET = bytes(range(32))
KEY = Key.from_secret(SECRET, "HS256")
CLAIMS = dumps({"exp": 4_000_000_000})


def verified(token: str) -> dict[str, Any]:
    """Verify with a policy that any claims satisfy."""
    return jwt.verify(token, KEY, issuer=None, audience=None, typ=None)


@pytest.mark.parametrize("name", ["exp", "x", "http://example.com/UNDEFINED", "cnf", "bork", "", "B64"])
def test_an_extension_that_nobody_understands(name: str) -> None:
    """CVE-2025-59420, CVE-2026-32597: a token with a good signature and an unknown critical name is refused."""
    token = hs256(SECRET, dumps({"alg": "HS256", "crit": [name], name: True}), CLAIMS)
    for check in (verified, lambda token: jws.verify(token, KEY), jwt.peek):
        with pytest.raises(errors.UnsupportedCritError):
            check(token)


@pytest.mark.parametrize(
    "crit", [[], {}, "exp", 5, None, True, [5], [None], [["b64"]], ["x", "x"], ["alg"], ["kid", "x"], ["gone"]]
)
def test_a_crit_that_is_no_list_of_names(crit: object) -> None:
    """An empty list, other types, names twice, registered names and absent names are malformed."""
    for check in (verified, lambda token: jws.verify(token, KEY)):
        with pytest.raises(errors.MalformedError):
            check(hs256(SECRET, dumps({"alg": "HS256", "crit": crit, "x": 1, "kid": "k"}), CLAIMS))


def test_an_unencoded_payload_is_no_jwt() -> None:
    """RFC 7797 §7: with `b64` false the signed octets are others than a JWT reader would decode."""
    header = b64(dumps({"alg": "HS256", "b64": False, "crit": ["b64"]}))
    for payload in (b64(CLAIMS), CLAIMS.decode().replace(".", "")):
        with pytest.raises(errors.UnsupportedCritError):
            verified(signed(SECRET, f"{header}.{payload}"))


def test_b64_outside_crit() -> None:
    """RFC 7797 §6: false and not critical would be ignored by half of the world: refused by JWS and JWT alike."""
    token = signed(SECRET, f"{b64(dumps({'alg': 'HS256', 'b64': False}))}.{b64(CLAIMS)}")
    for check in (verified, lambda token: jws.verify(token, KEY), jwt.peek):
        with pytest.raises(errors.MalformedError):
            check(token)


@pytest.mark.parametrize("b64_", ["false", 0, 1, None, [], "x"])
def test_a_b64_that_is_no_boolean(b64_: object) -> None:
    """Anything that only looks false is malformed, in crit and out of it."""
    for crit in ({}, {"crit": ["b64"]}):
        with pytest.raises((errors.MalformedError, errors.UnsupportedCritError)):
            verified(hs256(SECRET, dumps({"alg": "HS256", "b64": b64_} | crit), CLAIMS))
        with pytest.raises(errors.MalformedError):
            jws.verify(hs256(SECRET, dumps({"alg": "HS256", "b64": b64_} | crit), CLAIMS), KEY)


def test_an_unencoded_payload_of_any_length_is_measured() -> None:
    """GHSA-wphv-vfrh-23q5: the bound on a token holds for payloads that are not decoded, too."""
    header = b64(dumps({"alg": "HS256", "b64": False, "crit": ["b64"]}))
    with pytest.raises(errors.TokenTooLongError):
        jws.verify(signed(SECRET, f"{header}.{'x' * 300_000}"), KEY)
    document = {"payload": "x" * 300_000, "protected": header, "signature": "AAAA"}
    with pytest.raises(errors.TokenTooLongError):
        jws.verify_json(dumps(document), KEY)


def test_what_is_critical_is_protected() -> None:
    """RFC 7515 §4.1.11: `crit` and `b64` that nobody signed are malformed."""
    message = f"{b64(dumps({'alg': 'HS256'}))}.{b64(CLAIMS)}"
    signature = signed(SECRET, message).rpartition(".")[2]
    document = {"payload": b64(CLAIMS), "protected": b64(dumps({"alg": "HS256"})), "signature": signature}
    for header in ({"crit": ["x"], "x": 1}, {"crit": ["b64"], "b64": True}, {"b64": False}, {"b64": True}):
        with pytest.raises(errors.MalformedError):
            jws.verify_json(document | {"header": header}, KEY)


@pytest.mark.parametrize("every", [True, False])
def test_signatures_that_mean_different_octets(every: bool) -> None:  # noqa: FBT001 - the argument's own name
    """RFC 7797 §3: all signatures are about the encoded payload, or none is; else their order would decide what it is.

    Both signatures are good: one over the octets that the text encodes, one over the text itself.
    """
    keys = [Key.generate("ES256"), Key.generate("ES256")]
    encoded = jws.sign_json(b"pay ann", keys[0])
    text = encoded["payload"]
    unencoded = jws.sign_json(text.encode(), keys[1], b64=False)
    both = [{name: one[name] for name in ("protected", "signature")} for one in (encoded, unencoded)]
    for signatures in (both, both[::-1]):
        for members, detached in (({"payload": text}, None), ({}, b"pay ann")):
            with pytest.raises(errors.MalformedError):
                jws.verify_json(members | {"signatures": signatures}, KeySet(keys), detached, every=every)
    for alone in both:
        jws.verify_json({"payload": text, "signatures": [alone]}, KeySet(keys), every=every)
