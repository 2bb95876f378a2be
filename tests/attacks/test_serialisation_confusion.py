"""One text that two readers take for two things: JSON for a JWT, encrypted for signed, flattened for general."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.forge import b64, dumps, hs256

from gatepass.jose import Key, errors, jwe, jws, jwt

SECRET = bytes(range(32))
KEY = Key.from_secret(SECRET, "HS256")
CLAIMS = dumps({"sub": "ann", "exp": 4_000_000_000})
ADMIN = dumps({"sub": "admin", "exp": 4_000_000_000})
TOKEN = hs256(SECRET, dumps({"alg": "HS256"}), CLAIMS)
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")
FLATTENED = {"protected": HEADER, "payload": PAYLOAD, "signature": SIGNATURE}


def verified(token: str | bytes) -> dict[str, Any]:
    """Verify with a policy that any claims satisfy."""
    return jwt.verify(token, KEY, issuer=None, audience=None, typ=None)


@pytest.mark.parametrize(
    "text",
    [
        dumps(FLATTENED),
        dumps({"payload": PAYLOAD, "signatures": [FLATTENED]}),
        dumps(FLATTENED).decode(),
        # CVE-2022-39227: one reader finds the JSON, the other splits at the dots of the real token inside.
        (
            f'{{"  {HEADER}.{b64(ADMIN)}.": "", "protected": "{HEADER}", '
            f'"payload": "{PAYLOAD}", "signature": "{SIGNATURE}"}}'
        ),
        f'{TOKEN}{{"payload":"{b64(ADMIN)}"}}',
        f'{{"a":"{TOKEN}"}}',
        f" {TOKEN}",
        f"{TOKEN}\n",
        f"{TOKEN}\0",
        f"Bearer {TOKEN}",
        f"{TOKEN}.",
        f".{TOKEN}",
        f"{HEADER}..{PAYLOAD}.{SIGNATURE}",
        f"{HEADER}.{PAYLOAD}",
        f"{HEADER}.{PAYLOAD}.{SIGNATURE}.{SIGNATURE}",
        f"{HEADER},{PAYLOAD},{SIGNATURE}",
        f"{HEADER}.{PAYLOAD}.{SIGNATURE}~{HEADER}.{PAYLOAD}.{SIGNATURE}",
        f"{HEADER}\u3002{PAYLOAD}\u3002{SIGNATURE}",
    ],
)
def test_only_a_compact_token_is_a_jwt(text: str | bytes) -> None:
    """RFC 8725bis §3.14: any other character, JSON, one part more or fewer: malformed."""
    for check in (verified, lambda token: jws.verify(token, KEY), jwt.peek):
        with pytest.raises(errors.MalformedError):
            check(text)


def test_the_parts_are_what_was_signed() -> None:
    """Another payload under the same signature is not taken from anywhere."""
    with pytest.raises(errors.BadSignatureError):
        verified(f"{HEADER}.{b64(ADMIN)}.{SIGNATURE}")
    with pytest.raises(errors.BadSignatureError):
        jws.verify_json(FLATTENED | {"payload": b64(ADMIN)}, KEY)


def test_an_encrypted_token_is_no_signed_one() -> None:
    """CVE-2023-51774: whoever has the public key could encrypt; neither verify nor peek takes it for signed."""
    recipient = Key.generate("RSA-OAEP-256")
    direct = Key.from_secret(SECRET, "A256GCM")
    for token in (jwe.encrypt(ADMIN, recipient.public()), jwe.encrypt(ADMIN, direct)):
        for key in (KEY, recipient, direct):
            with pytest.raises(errors.MalformedError):
                jwt.verify(token, key, issuer=None, audience=None, typ=None)
        with pytest.raises(errors.MalformedError):
            jwt.peek(token)


def test_a_signed_token_is_no_encrypted_one() -> None:
    """The other way round: a signed token given to the nested reader is malformed, not verified half."""
    recipient = Key.generate("A256KW")
    with pytest.raises(errors.MalformedError):
        jwt.decrypt_and_verify(TOKEN, recipient, KEY, issuer=None, audience=None, typ=None)


def test_encrypted_claims_are_not_enough() -> None:
    """A nested token must be signed inside: claims that are only encrypted come from anybody."""
    recipient = Key.generate("ECDH-ES+A256KW")
    for inside in (ADMIN, b"", b"..", f"{b64(dumps({'alg': 'none'}))}.{b64(ADMIN)}.".encode()):
        token = jwe.encrypt(inside, recipient.public(), headers={"cty": "JWT"})
        with pytest.raises(errors.JoseError) as caught:
            jwt.decrypt_and_verify(token, recipient, KEY, issuer=None, audience=None, typ=None)
        assert caught.value.code in ("malformed", "alg_not_allowed")


@pytest.mark.parametrize("extra", [{"signatures": [FLATTENED]}, {"signatures": []}, {"signatures": None}])
def test_flattened_and_general_at_once(extra: dict[str, Any]) -> None:
    """Two readers would look at two signatures: refused, in every order of the members."""
    for document in (FLATTENED | extra, extra | FLATTENED):
        for form in (document, dumps(document)):
            with pytest.raises(errors.MalformedError):
                jws.verify_json(form, KEY)


def test_encrypted_flattened_and_general_at_once() -> None:
    """The same for encryption."""
    key = Key.generate("A256KW")
    document = jwe.encrypt_json(ADMIN, key)
    with pytest.raises(errors.MalformedError):
        jwe.decrypt_json(document | {"recipients": [{"header": document["header"]}]}, key)


def test_two_payloads() -> None:
    """A name twice in the text of a document leaves open which one was meant."""
    text = dumps(FLATTENED).decode()
    with pytest.raises(errors.MalformedError):
        jws.verify_json(text[:-1] + f',"payload":"{b64(ADMIN)}"}}', KEY)
