"""Refresh tokens: one spelling, and proof in themselves."""

from __future__ import annotations

import base64
import os
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepass.tokens.refresh_token import (
    LENGTH,
    MAX_SERIAL,
    InvalidRefreshToken,
    RefreshKey,
    RefreshToken,
    mint,
    read,
)

KEY = RefreshKey(b"key1", bytes(range(32)))
KEYS = {KEY.id: KEY}
TOKEN = RefreshToken(grant_id=bytes(16), serial=7, secret=b"s" * 16, in_cookie=False)
ALPHABET = string.ascii_letters + string.digits + "-_"


@given(
    st.binary(min_size=16, max_size=16), st.integers(0, MAX_SERIAL), st.binary(min_size=16, max_size=16), st.booleans()
)
def test_what_is_minted_is_read(grant_id: bytes, serial: int, secret: bytes, in_cookie: bool) -> None:  # noqa: FBT001
    """Every field comes back, and every token has the same length, prefix and alphabet."""
    token = RefreshToken(grant_id=grant_id, serial=serial, secret=secret, in_cookie=in_cookie)
    text = mint(token, KEY)
    assert read(text, KEYS) == token
    assert len(text) == LENGTH
    assert text.startswith("gpr_")
    assert set(text[4:]) <= set(ALPHABET)


@given(st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET + "=+/. \n\u00e9"))
def test_any_other_character_anywhere_is_refused(position: int, character: str) -> None:
    """There is one spelling: no bit of it can be changed, not even one that a lenient decoder would ignore."""
    text = mint(TOKEN, KEY)
    spoiled = text[:position] + character + text[position + 1 :]
    if spoiled != text:
        with pytest.raises(InvalidRefreshToken):
            read(spoiled, KEYS)


@given(st.text(max_size=200))
def test_any_text_is_refused_in_one_way(text: str) -> None:
    """Whatever it is: `InvalidRefreshToken` and nothing else."""
    with pytest.raises(InvalidRefreshToken):
        read(text, KEYS)


def forged(body: bytes, mac: bytes) -> str:
    """Spell a token with a right check sum around any octets."""
    text = "gpr_" + base64.urlsafe_b64encode(body + mac).decode()
    return text + base64.urlsafe_b64encode(zlib.crc32(text.encode()).to_bytes(4, "big")).decode().rstrip("=")


def test_a_right_check_sum_is_no_proof() -> None:
    """Without the server's secret a token with every field right is refused; so is one under another key or key id."""
    body = base64.urlsafe_b64decode(mint(TOKEN, KEY)[4:-6])[:46]
    for mac in (bytes(32), os.urandom(32)):
        with pytest.raises(InvalidRefreshToken):
            read(forged(body, mac), KEYS)
    for key in (RefreshKey(b"key1", bytes(32)), RefreshKey(b"key2", bytes(range(32)))):
        with pytest.raises(InvalidRefreshToken):
            read(mint(TOKEN, key), KEYS)


def test_a_secret_scanner_can_tell_a_token_from_a_lookalike() -> None:
    """The check sum at the end is the CRC-32 of all that stands before it."""
    text = mint(TOKEN, KEY)
    assert text == forged(*_parts(text))


def _parts(text: str) -> tuple[bytes, bytes]:
    raw = base64.urlsafe_b64decode(text[4:-6])
    return raw[:46], raw[46:]


def test_nothing_secret_is_shown() -> None:
    """Neither the token's secret nor the key's stand in a repr, and the refusal says nothing at all."""
    assert "ssss" not in repr(TOKEN)
    assert repr(KEY) == "RefreshKey(id=6b657931)"
    with pytest.raises(InvalidRefreshToken) as caught:
        read(mint(TOKEN, KEY) + "x", KEYS)
    assert str(caught.value) == ""
