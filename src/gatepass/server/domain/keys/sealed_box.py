"""What somebody else keeps for us, in a cookie or an application, and can neither read nor make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from gatepass.jose import base64url
from gatepass.jose.errors import MalformedError
from gatepass.server.base.errors import StartupError

if TYPE_CHECKING:
    from gatepass.server.domain.keys.master_key import DataKey

S = TypeVar("S", bound=msgspec.Struct)


class SealedBox(Generic[S]):
    """Seals structs of one kind into text. How long one is good for stands in it: `open` knows no time.

    Args:
        kind: the struct.
        data_key: what seals.
        context: what it is sealed for; a text of another context is none of ours.
    """

    def __init__(self, kind: type[S], data_key: DataKey, context: str) -> None:
        self._kind = kind
        self._data_key = data_key
        self._context = context

    def seal(self, content: S) -> str:
        """Write it as text for a URL or a cookie."""
        return base64url.encode(self._data_key.seal(msgspec.json.encode(content), self._context))

    def open(self, text: str) -> S | None:
        """Read it back; None when it is not one of ours."""
        try:
            return msgspec.json.decode(self._data_key.unseal(base64url.decode(text), self._context), type=self._kind)
        except (MalformedError, StartupError, msgspec.MsgspecError):
            return None
