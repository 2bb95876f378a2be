"""Refresh tokens: opaque to clients, self-authenticating for the server.

    gpr_ BASE64URL( version 1 | flags 1 | key id 4 | grant 16 | serial 8 | secret 16 | MAC 32 ) BASE64URL( CRC-32 )

The MAC under a server secret detects a forgery without a database query; the secret of the grant, of which the database
stores a digest, makes the server secret alone useless. The prefix and the checksum are for secret scanners, which can
recognize a leaked token offline. Nothing is stored per token: the grant's row decides what a serial means. RFC 6749
§1.5 leaves the format to the server; RFC 9700 §4.14.2 requires the detection of reuse, for which there is the serial.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
import zlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "gpr_"
KEY_ID_BYTES = 4
GRANT_ID_BYTES = 16
SECRET_BYTES = 16
MAX_SERIAL = 2**63 - 1

_VERSION = 1
_IN_COOKIE = 1
_LAYOUT = struct.Struct(f">BB{KEY_ID_BYTES}s{GRANT_ID_BYTES}sQ{SECRET_BYTES}s")
_MAC_BYTES = 32
_BODY_CHARS = (_LAYOUT.size + _MAC_BYTES) * 4 // 3
LENGTH = len(PREFIX) + _BODY_CHARS + 6
"""The length of every refresh token in characters."""


class InvalidRefreshToken(ValueError):
    """Not one of our refresh tokens; the error does not say why."""

    code = "invalid_refresh_token"


class RefreshKey:
    """The server secret that authenticates tokens: an id of 4 bytes and 32 random bytes."""

    __slots__ = ("_keyed", "id")

    def __init__(self, key_id: bytes, secret: bytes) -> None:
        self.id = key_id
        # Copying a keyed context takes half the time of hmac.digest, which also releases the interpreter's lock.
        self._keyed = hmac.new(secret, b"gatepass refresh token\0", "sha256")

    def mac(self, body: bytes) -> bytes:
        """Authenticate a token's body: HMAC-SHA256, 32 bytes."""
        keyed = self._keyed.copy()
        keyed.update(body)
        return keyed.digest()

    def __repr__(self) -> str:
        """Show the id only."""
        return f"RefreshKey(id={self.id.hex()})"


class RefreshToken(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a token. `secret` is the grant's, 16 bytes; `in_cookie` means that it was issued as a cookie."""

    grant_id: bytes
    serial: int
    secret: bytes
    in_cookie: bool

    def __repr__(self) -> str:
        """Show everything but the secret."""
        return f"RefreshToken(grant_id={self.grant_id.hex()}, serial={self.serial}, in_cookie={self.in_cookie})"


def mint(token: RefreshToken, key: RefreshKey) -> str:
    """Encode the token, authenticated with the key."""
    flags = _IN_COOKIE if token.in_cookie else 0
    body = _LAYOUT.pack(_VERSION, flags, key.id, token.grant_id, token.serial, token.secret)
    return _spell(body + key.mac(body))


def read(text: str, keys: Mapping[bytes, RefreshKey]) -> RefreshToken:
    """Decode a token, if one of the keys (by id) authenticates it.

    Raises:
        InvalidRefreshToken: for anything else, whatever it looks like.
    """
    if len(text) != LENGTH or not text.startswith(PREFIX):
        raise InvalidRefreshToken
    try:
        raw = base64.urlsafe_b64decode(text[len(PREFIX) : -6].encode("ascii"))
    except (UnicodeEncodeError, binascii.Error):
        raise InvalidRefreshToken from None
    body, mac = raw[: _LAYOUT.size], raw[_LAYOUT.size :]
    # One spelling per token: other encodings of the same bytes are refused by encoding it again.
    if len(mac) != _MAC_BYTES or text != _spell(raw):
        raise InvalidRefreshToken
    version, flags, key_id, grant_id, serial, secret = _LAYOUT.unpack(body)
    key = keys.get(key_id)
    if key is None or not hmac.compare_digest(mac, key.mac(body)):
        raise InvalidRefreshToken
    if version != _VERSION or flags & ~_IN_COOKIE or serial > MAX_SERIAL:
        raise InvalidRefreshToken
    return RefreshToken(grant_id=grant_id, serial=serial, secret=secret, in_cookie=bool(flags & _IN_COOKIE))


def _spell(raw: bytes) -> str:
    text = PREFIX + base64.urlsafe_b64encode(raw).decode("ascii")
    checksum = zlib.crc32(text.encode("ascii")).to_bytes(4, "big")
    return text + base64.urlsafe_b64encode(checksum).decode("ascii").rstrip("=")
