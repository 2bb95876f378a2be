"""What a bridge tells of one issuer's subjects and sign-ins: their tokens are revoked if issued before a time."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepass.tokens.bridge_entry import BridgeEntry, FeedSecret
    from gatepass.verify.principal import Principal

_MOST_DIGESTS = 20_000
"""How many digests are kept: two for each of the tokens that a verifier remembers."""


class Bridged:
    """The entries. They only grow, except for those whose tokens have all expired."""

    __slots__ = ("_entries", "_of_session", "_of_subject", "_subject_claim")

    def __init__(self, issuer: str, secret: FeedSecret, subject_claim: str | None = None) -> None:
        """Start with nothing.

        Args:
            issuer: Whose tokens it is about.
            secret: What the bridge names their subjects and sign-ins with.
            subject_claim: A claim that may name the subject, too, as `sub` does.
        """
        self._subject_claim = subject_claim
        self._entries: dict[str, BridgeEntry] = {}
        self._of_session = lru_cache(_MOST_DIGESTS)(partial(secret.digest_of_session, issuer))
        self._of_subject = lru_cache(_MOST_DIGESTS)(partial(secret.digest_of_subject, issuer))

    def add(self, entries: Mapping[str, BridgeEntry]) -> None:
        """Revoke what they name from now on."""
        for digest, entry in entries.items():
            self._entries[digest] = entry.merged(self._entries.get(digest))

    def forget_ended(self, ended: float) -> None:
        """Drop entries whose tokens expired before a time."""
        if self._entries:
            self._entries = {digest: entry for digest, entry in self._entries.items() if entry.until > ended}

    def revokes(self, principal: Principal) -> bool:
        """Whether a token was issued before its subject or its sign-in was revoked."""
        if not self._entries:
            return False
        if self._is_before(self._of_subject(principal.subject), principal):
            return True
        sid = principal.session_id
        if sid is not None and self._is_before(self._of_session(sid), principal):
            return True
        other = None if self._subject_claim is None else principal.claims.get(self._subject_claim)
        return isinstance(other, str) and self._is_before(self._of_subject(other), principal)

    def _is_before(self, digest: str, principal: Principal) -> bool:
        entry = self._entries.get(digest)
        if entry is None:
            return False
        iat = principal.claims.get("iat")
        # Without `iat` nobody can tell, and what cannot be told counts as revoked.
        return not isinstance(iat, int | float) or int(iat) <= entry.before
