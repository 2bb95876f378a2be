"""Tokens that a lenient reader takes: every one of them has a good signature over exactly these octets."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.forge import b64, dumps, hs256, signed

from gatepass.jose import Key, errors, jwt

SECRET = bytes(range(32))
KEY = Key.from_secret(SECRET, "HS256")
HEADER = dumps({"alg": "HS256"})
CLAIMS = b'{"sub":"ann","exp":4000000000}'


def verified(token: str | bytes) -> dict[str, Any]:
    """Verify with a policy that any claims satisfy."""
    return jwt.verify(token, KEY, issuer=None, audience=None, typ=None)


def test_the_token_that_the_others_are_variants_of() -> None:
    """The plain token is good, so that each refusal below has one reason."""
    assert verified(hs256(SECRET, HEADER, CLAIMS)) == {"sub": "ann", "exp": 4_000_000_000}


@pytest.mark.parametrize(
    "spoil", ["{}=", "{}==", "{}\n", " {}", "{} ", "{}\r\n", "{}\t", "{}\0", "{}+", "{}/", "{}%3D", "{}~", "{}é"]
)
@pytest.mark.parametrize("part", [0, 1, 2])
def test_other_spellings_of_base64url(part: int, spoil: str) -> None:
    """Padding, blanks, the other alphabet, anywhere: refused, also where the HMAC covers the spelling."""
    parts = [b64(HEADER), b64(CLAIMS)]
    if part < 2:
        parts[part] = spoil.format(parts[part])
        token = signed(SECRET, ".".join(parts))
    else:
        token = signed(SECRET, ".".join(parts))
        head, _, signature = token.rpartition(".")
        token = f"{head}.{spoil.format(signature)}"
    for form in (token, token.encode()):
        with pytest.raises(errors.MalformedError):
            verified(form)


def test_stray_bits() -> None:
    """The last character of a MAC has two bits to spare: only one of the four spellings is read."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = hs256(SECRET, HEADER, CLAIMS)
    last = alphabet.index(token[-1])
    assert last % 4 == 0
    for spare in (1, 2, 3):
        with pytest.raises(errors.MalformedError):
            verified(token[:-1] + alphabet[last + spare])


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"HS256","alg":"HS256"}',
        b'{"alg":"none","alg":"HS256"}',
        b'{"alg":"HS256","\\u0061lg":"none"}',
        b'{"alg":"HS256","x":{"y":1,"y":2}}',
        b'{"alg":"HS256","kid":"a","kid":"b"}',
        b'\xef\xbb\xbf{"alg":"HS256"}',
        '{"alg":"HS256"}'.encode("utf-16"),
        '{"alg":"HS256"}'.encode("utf-32-le"),
        b'{"alg":"HS256","x":"\xff"}',
        b'{"alg":"HS256","x":"\\ud800"}',
        b'{"alg":"HS256","x":NaN}',
        b'{"alg":"HS256"} ,',
        b'{"alg":"HS256",}',
        b"{'alg':'HS256'}",
        b'["HS256"]',
        b'"HS256"',
        b"null",
        b"",
        b'{"alg":"HS256","x":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"alg":"HS256","typ":5}',
        b'{"alg":"HS256","cty":[]}',
        b'{"alg":"HS256","jku":{}}',
    ],
)
def test_headers_that_are_not_strict_json(header: bytes) -> None:
    """A name twice at any depth, encodings other than UTF-8, NaN, surrogates, nesting, other types."""
    with pytest.raises(errors.MalformedError):
        verified(hs256(SECRET, header, CLAIMS))


@pytest.mark.parametrize(
    "claims",
    [
        b'{"sub":"ann","exp":4000000000,"sub":"admin"}',
        b'{"sub":"admin","sub":"ann","exp":4000000000}',
        b'{"exp":1,"exp":4000000000}',
        b'{"exp":4000000000,"\\u0065xp":1}',
        b'{"exp":4000000000,"x":[{"a":1,"a":2}]}',
        b'{"exp":4000000000,"x":NaN}',
        b'{"exp":Infinity}',
        b'{"exp":1e999}',
        b'{"exp":0x7fffffff}',
        b'{"exp":4000000000,"x":"\\udfff"}',
        b'{"exp":4000000000,"x":"\xed\xa0\x80"}',
        '{"exp":4000000000}'.encode("utf-16-be"),
        b'\xef\xbb\xbf{"exp":4000000000}',
        b'{"exp":4000000000,"x":' + b'{"a":' * 40 + b"1" + b"}" * 41,
        b'{"exp":' + b"9" * 5000 + b"}",
        b'[{"exp":4000000000}]',
        b'{"exp":4000000000}{}',
        b"",
    ],
)
def test_claims_that_are_not_strict_json(claims: bytes) -> None:
    """The same inside, where no measured library refuses a name twice."""
    with pytest.raises(errors.MalformedError):
        verified(hs256(SECRET, HEADER, claims))


@pytest.mark.parametrize("value", [b'"4000000000"', b"true", b"null", b"[4000000000]", b'{"a":1}', b'""'])
@pytest.mark.parametrize("name", [b"exp", b"nbf", b"iat"])
def test_dates_of_another_type(name: bytes, value: bytes) -> None:
    """CVE-2026-25537: a date of the wrong type is neither converted nor taken for absent."""
    claims = b'{"sub":"ann","' + name + b'":' + value + (b"}" if name == b"exp" else b',"exp":4000000000}')
    with pytest.raises(errors.BadClaimError) as caught:
        verified(hs256(SECRET, HEADER, claims))
    assert caught.value.claim == name.decode()
