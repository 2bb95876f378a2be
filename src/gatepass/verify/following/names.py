"""Tokens and keys that are revoked by id: `jti` or `kid`. The snapshot and the stream bring them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.jose.errors import BadClaimError
from gatepass.verify.errors import RevokedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Names:
    """What is revoked by id. It only grows, except for tokens that have expired.

    Attributes:
        jtis: Revoked tokens, each with the time at which it ends by itself.
        kids: Keys that are not to be trusted any more; they never are again.
    """

    __slots__ = ("jtis", "kids")

    def __init__(self) -> None:
        self.jtis: dict[str, float] = {}
        self.kids: frozenset[str] = frozenset()

    def add_tokens(self, jtis: Mapping[str, float]) -> None:
        """Refuse tokens from now on."""
        self.jtis.update(jtis)

    def add_keys(self, kids: Iterable[str]) -> frozenset[str]:
        """Distrust keys, and return those that were trusted until now."""
        new = frozenset(kids) - self.kids
        if new:
            self.kids |= new
        return new

    def forget_ended(self, ended: float) -> None:
        """Drop tokens that expired before a time."""
        if self.jtis:
            self.jtis = {jti: exp for jti, exp in self.jtis.items() if exp > ended}

    def refuse_signer(self, kid: str) -> None:
        """Refuse a document whose key is revoked.

        Raises:
            RevokedError: It is.
        """
        if kid in self.kids:
            raise RevokedError("the document's key has been revoked")


def refuse_own_key(kid: str, kids: Iterable[str]) -> None:
    """Refuse a document that revokes its own key, which the thief of a key could also sign.

    Raises:
        BadClaimError: It does.
    """
    if kid in kids:
        raise BadClaimError("a key cannot revoke itself", claim="events")
