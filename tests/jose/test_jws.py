"""JSON Web Signature in every serialisation (RFC 7515, RFC 7797)."""

# ruff: noqa: ANN401 - hostile arguments are of any type

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepass.jose import Key, KeySet, Limits, base64url, errors, jws, jwt

SECRET = Key.from_secret(bytes(range(32)), "HS256", kid="secret")
CURVE = Key.generate("ES256")
EDWARDS = Key.generate("Ed25519")
KEYS = KeySet([SECRET, CURVE, EDWARDS])
PAYLOAD = b"It is a dangerous business, Frodo."


def encoded(**parameters: Any) -> str:
    """Encode a header."""
    return base64url.encode(json.dumps(parameters, separators=(",", ":")).encode())


def compact(header: str, payload: bytes = PAYLOAD, key: Key = SECRET) -> str:
    """Sign a header as it is."""
    message = f"{header}.{base64url.encode(payload)}"
    return f"{message}.{base64url.encode(key.sign(message.encode()))}"


@given(st.binary(max_size=300))
def test_any_octets_survive_every_serialisation(payload: bytes) -> None:
    """Compact, detached, flattened, general, encoded and not: the payload comes back, with the key that signed."""
    for b64 in (True, False):
        token = jws.sign_detached(payload, SECRET, b64=b64)
        assert jws.verify_detached(token, payload, KEYS).key is SECRET
        document = jws.sign_json(payload, [SECRET, CURVE], detached=True, b64=b64)
        assert jws.verify_json(json.dumps(document), KEYS, payload, every=True).payload == payload
    assert jws.verify(jws.sign(payload, SECRET), KEYS).payload == payload
    for key in (SECRET, CURVE, EDWARDS):
        assert jws.verify_json(jws.sign_json(payload, key), KEYS).payload == payload
    assert jws.verify_json(jws.sign_json(payload, [EDWARDS, CURVE]), KEYS, every=True).key is EDWARDS


@given(st.text())
def test_an_unencoded_payload_in_json_is_text(payload: str) -> None:
    """RFC 7797 §5: what is UTF-8 stands in the document as it is, and comes back."""
    try:
        octets = payload.encode()
    except UnicodeEncodeError:
        return
    document = jws.sign_json(octets, CURVE, b64=False)
    assert document["payload"] == payload
    assert jws.verify_json(json.dumps(document), KEYS).payload == octets


def test_an_unencoded_payload_in_a_compact_token() -> None:
    """RFC 7797 §5.2: printable ASCII without a period, and nothing else, may stand in the middle."""
    token = jws.sign(b"$ 02", SECRET, b64=False)
    assert token.split(".")[1] == "$ 02"
    assert jws.verify(token, SECRET).payload == b"$ 02"
    assert jws.verify(token, SECRET).headers == {"alg": "HS256", "kid": "secret", "b64": False, "crit": ["b64"]}
    for payload in (b"$.02", b"\n", "é".encode(), b"\x7f"):
        with pytest.raises(errors.InvalidPolicyError):
            jws.sign(payload, SECRET, b64=False)


def test_flattened_and_general_look_as_the_rfc_says() -> None:
    """RFC 7515 §7.2: the members of each serialisation, no more."""
    flattened = jws.sign_json(PAYLOAD, CURVE, {"typ": "x"}, unprotected={"note": 1})
    assert set(flattened) == {"payload", "protected", "header", "signature"}
    general = jws.sign_json(PAYLOAD, [CURVE, SECRET], detached=True)
    assert set(general) == {"signatures"}
    assert [set(entry) for entry in general["signatures"]] == [{"protected", "signature"}] * 2
    done = jws.verify_json(flattened, CURVE)
    assert done.headers == {"alg": "ES256", "kid": CURVE.kid, "typ": "x"}
    assert done.unprotected == {"note": 1}


def test_one_good_signature_is_enough_unless_every_is_asked_for() -> None:
    """Signatures by strangers are passed over; with `every` they are not."""
    stranger = Key.generate("ES256")
    document = jws.sign_json(PAYLOAD, [stranger, CURVE])
    assert jws.verify_json(document, KEYS).key is CURVE
    with pytest.raises(errors.UnknownKeyError):
        jws.verify_json(document, KEYS, every=True)
    with pytest.raises(errors.UnknownKeyError):
        jws.verify_json(jws.sign_json(PAYLOAD, [stranger]), KEYS)


@pytest.mark.parametrize(
    "change",
    [
        {"payload": 5},
        {"payload": None},
        {"payload": "++"},
        {"payload": "QUJD"},
        {"protected": 5},
        {"protected": ""},
        {"protected": "e30"},
        {"protected": "W10"},
        {"signature": 5},
        {"signature": ""},
        {"signature": "=="},
        {"header": 5},
        {"header": None},
        {"header": {"alg": "ES256"}},
        {"header": {"crit": ["b64"]}},
        {"header": {"b64": False}},
        {"signatures": []},
        {"signatures": [{}]},
    ],
)
def test_a_document_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    """Wrong types, empty lists, parameters in both places, flattened and general at once."""
    document = jws.sign_json(PAYLOAD, CURVE)
    with pytest.raises((errors.MalformedError, errors.BadSignatureError)):
        jws.verify_json(document | change, CURVE)
    with pytest.raises((errors.MalformedError, errors.BadSignatureError)):
        jws.verify_json(json.dumps(document | change), CURVE)


@pytest.mark.parametrize("signatures", [[], {}, 5, None, "x", [5], [None], [{}], [[]], [{"signature": "AA"}]])
def test_a_list_of_signatures_of_another_shape_is_refused(signatures: object) -> None:
    """`signatures` is a list with objects in it."""
    with pytest.raises(errors.MalformedError):
        jws.verify_json({"payload": "QUJD", "signatures": signatures}, CURVE)


@pytest.mark.parametrize("name", ["payload", "protected", "signature"])
def test_a_document_without_a_member_is_refused(name: str) -> None:
    """All three are needed."""
    document = jws.sign_json(PAYLOAD, CURVE)
    del document[name]
    with pytest.raises(errors.MalformedError):
        jws.verify_json(document, CURVE)


def test_a_payload_comes_from_one_place() -> None:
    """A payload inside and beside the document leaves open which of them was signed: refused."""
    document = jws.sign_json(PAYLOAD, CURVE)
    with pytest.raises(errors.MalformedError):
        jws.verify_json(document, CURVE, PAYLOAD)
    with pytest.raises(errors.MalformedError):
        jws.verify_detached(jws.sign(PAYLOAD, CURVE), PAYLOAD, CURVE)


@pytest.mark.parametrize("document", ["", "[]", "{", b"\xff", "\ud800", 5, None, [], '{"payload":"","payload":""}'])
def test_what_is_no_json_serialisation(document: Any) -> None:
    """Anything but an object is refused, and a name twice too."""
    with pytest.raises(errors.MalformedError):
        jws.verify_json(document, CURVE)


def test_too_many_signatures_and_too_long_documents() -> None:
    """Limits bound the work; `Limits` raises them."""
    document = jws.sign_json(PAYLOAD, [SECRET] * 17)
    with pytest.raises(errors.TokenTooLongError):
        jws.verify_json(document, SECRET)
    assert jws.verify_json(document, SECRET, limits=Limits(signatures=17)).payload == PAYLOAD
    with pytest.raises(errors.TokenTooLongError):
        jws.verify_json(json.dumps(jws.sign_json(bytes(200_000), SECRET)), SECRET)


def test_an_unprotected_alg_can_only_agree_with_the_key() -> None:
    """RFC 7520 §4.7 signs content only; the key decides the algorithm all the same."""
    signature = base64url.encode(SECRET.sign(b"." + base64url.encode(PAYLOAD).encode()))
    document = {"payload": base64url.encode(PAYLOAD), "signature": signature, "header": {"alg": "HS256"}}
    done = jws.verify_json(document, SECRET)
    assert (done.headers, done.unprotected) == ({}, {"alg": "HS256"})
    for alg in ("none", "HS512", "ES256"):
        with pytest.raises(errors.AlgNotAllowedError):
            jws.verify_json(document | {"header": {"alg": alg}}, SECRET)


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"alg": "none"}, errors.AlgNotAllowedError),
        ({"alg": "A128KW"}, errors.AlgNotAllowedError),
        ({"alg": "HS512"}, errors.AlgNotAllowedError),
        ({"alg": 5}, errors.MalformedError),
        ({"alg": None}, errors.MalformedError),
        ({}, errors.MalformedError),
        ({"alg": "HS256", "kid": 5}, errors.MalformedError),
        ({"alg": "HS256", "typ": []}, errors.MalformedError),
        ({"alg": "HS256", "crit": []}, errors.MalformedError),
        ({"alg": "HS256", "crit": "b64"}, errors.MalformedError),
        ({"alg": "HS256", "crit": None}, errors.MalformedError),
        ({"alg": "HS256", "crit": ["exp"], "exp": 1}, errors.UnsupportedCritError),
        ({"alg": "HS256", "crit": ["exp"]}, errors.MalformedError),
        ({"alg": "HS256", "crit": ["alg"]}, errors.MalformedError),
        ({"alg": "HS256", "crit": [5]}, errors.MalformedError),
        ({"alg": "HS256", "crit": ["b64", "b64"], "b64": True}, errors.MalformedError),
        ({"alg": "HS256", "crit": ["b64"]}, errors.MalformedError),
        ({"alg": "HS256", "b64": False}, errors.MalformedError),
        ({"alg": "HS256", "b64": "false", "crit": ["b64"]}, errors.MalformedError),
        ({"alg": "HS256", "b64": 0, "crit": ["b64"]}, errors.MalformedError),
    ],
)
def test_headers_that_are_refused_before_any_signature(
    parameters: dict[str, Any], error: type[errors.JoseError]
) -> None:
    """Types, `alg` and `crit` are checked although the signature is good."""
    with pytest.raises(error):
        jws.verify(compact(encoded(**parameters)), SECRET)


def test_b64_true_may_be_critical() -> None:
    """RFC 7797 §6 allows saying the default aloud."""
    assert jws.verify(compact(encoded(alg="HS256", b64=True, crit=["b64"])), SECRET).payload == PAYLOAD


@pytest.mark.parametrize("b64", [True, False])
def test_a_jwt_has_no_extensions(b64: bool) -> None:  # noqa: FBT001 - the parameter's own name
    """RFC 7797 §7: unencoded payloads are not for JWTs, and a JWT that needs b64 understood is refused."""
    token = compact(encoded(alg="HS256", b64=b64, crit=["b64"]), b'{"exp":2000000000}')
    with pytest.raises(errors.UnsupportedCritError):
        jwt.verify(token, SECRET, issuer=None, audience=None, typ=None)
    with pytest.raises(errors.UnsupportedCritError):
        jwt.peek(token)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c.d",
        "e30..",
        "e30.e30.e30",
        b"\xff.\xff.\xff",
        "\ud800..",
        5,
        None,
        [],
        object(),
    ],
)
def test_what_is_no_compact_token(token: Any) -> None:
    """Anything else is malformed, whatever it is."""
    for attempt in (
        lambda: jws.verify(token, KEYS),
        lambda: jws.verify_detached(token, b"", KEYS),
        lambda: jwt.peek(token),
    ):
        with pytest.raises(errors.MalformedError):
            attempt()


@pytest.mark.parametrize(
    "headers",
    [
        {"alg": "HS512"},
        {"alg": "none"},
        {"kid": 5},
        {"crit": ["x"], "x": 1},
        {"b64": False},
        {"x": float("nan")},
        {"x": object()},
    ],
)
def test_headers_that_are_not_written(headers: dict[str, Any]) -> None:
    """A key writes only headers that its own verifier would take."""
    for attempt in (
        lambda: jws.sign(PAYLOAD, SECRET, headers),
        lambda: jws.sign_json(PAYLOAD, SECRET, headers),
        lambda: jws.sign_detached(PAYLOAD, SECRET, headers),
        lambda: jws.signing_input(PAYLOAD, {"alg": "HS256"} | headers if "alg" not in headers else {"alg": 5}),
        lambda: jwt.sign({}, SECRET, headers=headers),
    ):
        with pytest.raises(errors.InvalidPolicyError):
            attempt()


@pytest.mark.parametrize("unprotected", [{"alg": "HS256"}, {"kid": "x"}, {"crit": ["x"]}, {"b64": True}])
def test_unprotected_parameters_that_are_not_written(unprotected: dict[str, Any]) -> None:
    """What is protected is not written again unprotected, and crit and b64 never are."""
    with pytest.raises(errors.InvalidPolicyError):
        jws.sign_json(PAYLOAD, SECRET, unprotected=unprotected)


@pytest.mark.parametrize("payload", ["text", None, 5, bytearray(b"x")])
def test_a_payload_is_bytes(payload: Any) -> None:
    """Text is not guessed to be UTF-8."""
    for attempt in (
        lambda: jws.sign(payload, SECRET),
        lambda: jws.sign_json(payload, SECRET),
        lambda: jws.sign_detached(payload, SECRET),
        lambda: jws.sign(payload, SECRET, b64=False),
    ):
        with pytest.raises(errors.InvalidPolicyError):
            attempt()


@pytest.mark.parametrize("keys", [[], (), {}, None, 5, [None], ["key"], {SECRET}])
def test_nobody_signs(keys: Any) -> None:
    """An empty list of keys is a mistake, not an unsigned document; so is a list of something else."""
    with pytest.raises(errors.InvalidPolicyError):
        jws.sign_json(PAYLOAD, keys)


@pytest.mark.parametrize("headers", [5, [], "x", {5: 1}, [("typ", "x")]])
def test_headers_are_a_mapping(headers: Any) -> None:
    """Other arguments are refused, wherever headers are given."""
    for attempt in (
        lambda: jws.sign(PAYLOAD, SECRET, headers),
        lambda: jws.signing_input(PAYLOAD, headers),
        lambda: jws.sign_json(PAYLOAD, SECRET, headers),
        lambda: jwt.sign({}, SECRET, headers=headers),
    ):
        with pytest.raises(errors.InvalidPolicyError):
            attempt()


def test_a_signature_from_elsewhere_is_octets() -> None:
    """Text that is encoded already would be written as it is."""
    text: Any = "c2lnbmF0dXJl"
    with pytest.raises(errors.InvalidPolicyError):
        jws.assemble(b"e30.e30", text)


def test_a_signer_elsewhere() -> None:
    """signing_input and assemble are the two halves of sign, for a key that another machine holds."""
    message = jws.signing_input(PAYLOAD, {"alg": "ES256", "kid": CURVE.kid})
    token = jws.assemble(message, CURVE.sign(message))
    assert token == jws.sign(PAYLOAD, CURVE)
    assert jws.verify(token, CURVE).payload == PAYLOAD


@pytest.mark.parametrize("payload", ["a\nb", "\u00e9", "\x7f", "\ud800"])
def test_an_unencoded_payload_that_may_not_stand_in_a_compact_token(payload: str) -> None:
    """RFC 7797 §5.2: control characters and anything beyond ASCII are malformed there."""
    header = encoded(alg="HS256", b64=False, crit=["b64"])
    signature = base64url.encode(SECRET.sign(f"{header}.{payload}".encode("utf-8", "surrogatepass")))
    with pytest.raises(errors.MalformedError):
        jws.verify(f"{header}.{payload}.{signature}", SECRET)


def test_an_unencoded_payload_in_json_is_utf_8() -> None:
    """Octets that are no text are not written; half a surrogate is not read."""
    with pytest.raises(errors.InvalidPolicyError):
        jws.sign_json(b"\xff", SECRET, b64=False)
    document = jws.sign_json(b"x", SECRET, b64=False) | {"payload": "\ud800"}
    with pytest.raises(errors.MalformedError):
        jws.verify_json(document, SECRET)
