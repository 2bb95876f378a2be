"""Data that a browser or application keeps for the server, encrypted and authenticated."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from gatepass.jose import base64url
from gatepass.jose.errors import MalformedError
from gatepass.server.base.errors import StartupError

if TYPE_CHECKING:
    from gatepass.server.domain.keys.master_key import DataKey

S = TypeVar("S", bound=msgspec.Struct)


class SealedBox(Generic[S]):
    """Encrypts structs of one kind into text. Their expiry is in the struct: `open` does not check time.

    Args:
        kind: the struct.
        data_key: what seals.
        context: what it is sealed for; a text of another context is none of ours.
        is_compressed: whether it is made shorter before. Nothing secret may stand beside what others choose then, or
            the length of the text tells about it.
    """

    def __init__(self, kind: type[S], data_key: DataKey, context: str, *, is_compressed: bool = False) -> None:
        self._kind = kind
        self._data_key = data_key
        self._context = context
        self._is_compressed = is_compressed

    def seal(self, content: S) -> str:
        """Encrypt to text for a URL or a cookie."""
        octets = msgspec.json.encode(content)
        if self._is_compressed:
            octets = zlib.compress(octets)
        return base64url.encode(self._data_key.seal(octets, self._context))

    def open(self, text: str) -> S | None:
        """Decrypt; None if it was not made by `seal`."""
        try:
            octets = self._data_key.unseal(base64url.decode(text), self._context)
            if self._is_compressed:
                octets = zlib.decompress(octets)
            return msgspec.json.decode(octets, type=self._kind)
        except (MalformedError, StartupError, msgspec.MsgspecError):
            return None
