"""An issuer's JWK Set: which of its keys sign tokens, and which sign what it has revoked, and nothing else.

A thief of a key that signs tokens must not be able to name the honest ones as stolen. So the documents of
docs/protocol/revocation.md have keys of their own, marked by a member (RFC 7517 §4 allows additional ones).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from gatepass.jose import KeySet

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

SIGNS, REVOCATIONS = "urn:gatepass:signs", "revocations"
"""The member of a JWK, and its value, of a key that signs documents of revocation only."""


class PublishedKeys(NamedTuple):
    """The keys that sign tokens, and those that sign documents: the same ones, where the issuer has marked none."""

    tokens: KeySet
    documents: KeySet


def split(keys: KeySet, members: Iterable[object]) -> PublishedKeys:
    """Tell the keys of a set apart; its members say whether there are marked ones that we cannot use."""
    objects = [cast("dict[str, Any]", member) for member in members if isinstance(member, dict)]
    if not any(member.get(SIGNS) == REVOCATIONS for member in objects):
        return PublishedKeys(keys, keys)
    # None of them, if we cannot use those that are marked: the keys of tokens do not stand in.
    return PublishedKeys(of_tokens(keys), KeySet([key for key in keys if key.signs == REVOCATIONS]))


def of_tokens(keys: KeySet) -> KeySet:
    """Leave out of a set the keys that sign documents only."""
    if not any(key.signs == REVOCATIONS for key in keys):
        return keys
    return KeySet([key for key in keys if key.signs != REVOCATIONS], skipped=keys.skipped, reasons=keys.reasons)


def members(keys: KeySet, for_revocations: Container[str | None]) -> list[dict[str, Any]]:
    """Write a set's members (RFC 7517 §5), those with these `kid`s marked, and last: some readers take the first."""
    written = [{**jwk, "use": "sig"} for jwk in keys.to_jwks()["keys"]]
    marked = [{**jwk, SIGNS: REVOCATIONS} for jwk in written if jwk.get("kid") in for_revocations]
    return [*(jwk for jwk in written if jwk.get("kid") not in for_revocations), *marked]
