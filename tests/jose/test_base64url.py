"""Base64url, strictly (RFC 7515 §2)."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepass.jose import base64url, errors

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(st.binary(max_size=200))
def test_encode_is_the_urlsafe_alphabet_without_padding(octets: bytes) -> None:
    """What we write is what Python's own module writes, less the padding; and we read it back."""
    text = base64url.encode(octets)
    assert text == base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
    assert base64url.decode(text) == octets


@given(
    st.text(alphabet=ALPHABET, max_size=9)
    | st.text(max_size=9)
    | st.text(alphabet=ALPHABET + '=+/\\"u0041 .', max_size=12)
)
def test_decode_reads_only_what_encode_writes(text: str) -> None:
    """For any text: an error, or octets that encode to exactly this text."""
    try:
        octets = base64url.decode(text)
    except errors.MalformedError:
        assert not set(text) <= set(ALPHABET) or len(text) % 4 == 1 or len(text) % 4 > 1
    else:
        assert base64url.encode(octets) == text


@pytest.mark.parametrize(
    "text",
    [
        "QQ==",
        "QUE=",
        "QQ=",
        "=",
        "====",
        "A",
        "QUJDR",
        "QR",
        "QUF",
        "Q Q",
        " QQ",
        "QQ ",
        "QQ\n",
        "Q\r\nQ",
        "QQ\t",
        "+/+/",
        "_-/_",
        "Q.Q",
        "QQ\0",
        "\uff31\uff31",
        "é",
        "\ud800",
        '"QQ',
        'QQ"',
        "\\u0041",
        "Q\\/A",
        'QQQQ","QQQQ',
        "QQ==QQ",
        "QUJD=QUJ",
    ],
)
def test_other_spellings_are_refused(text: str) -> None:
    """Padding, blanks, the other alphabet, stray bits, JSON escapes: each value has one spelling."""
    with pytest.raises(errors.MalformedError):
        base64url.decode(text)
