"""An issuer's JWK Set: which of its keys sign tokens, and which sign what it has revoked, and nothing else.

A thief of a key that signs tokens must not be able to name the honest ones as stolen. So the documents of
docs/protocol/revocation.md have keys of their own, marked by a member (RFC 7517 §4 allows additional ones).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from gatepass.jose import KeySet
from gatepass.jose.limits import DEFAULT
from gatepass.jose.strict_json import decode_object

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

SIGNS, REVOCATIONS = "urn:gatepass:signs", "revocations"
"""The member of a JWK, and its value, of a key that signs documents of revocation only."""


class PublishedKeys(NamedTuple):
    """The keys that sign tokens, and those that sign documents: the same ones, where the issuer has marked none."""

    tokens: KeySet
    documents: KeySet


def split(keys: KeySet, members: Iterable[object]) -> PublishedKeys:
    """Tell the keys of a set apart by the set's members."""
    objects = [cast("dict[str, Any]", member) for member in members if isinstance(member, dict)]
    marked = [member.get("kid") for member in objects if member.get(SIGNS) == REVOCATIONS]
    if not marked:
        return PublishedKeys(keys, keys)
    # None of them, if we cannot use those that are marked: the keys of tokens do not stand in.
    documents = KeySet([key for key in keys if key.kid in marked])
    tokens = [key for key in keys if key.kid not in marked]
    return PublishedKeys(KeySet(tokens, skipped=keys.skipped, reasons=keys.reasons), documents)


def of_tokens(keys: KeySet, document: bytes) -> KeySet:
    """Leave out of a set the keys that sign documents only.

    Args:
        keys: What was read of it.
        document: The set itself, as JSON.
    """
    return split(keys, decode_object(document, DEFAULT.depth)["keys"]).tokens


def members(keys: KeySet, for_revocations: Container[str | None]) -> list[dict[str, Any]]:
    """Write a set's members (RFC 7517 §5), those with these `kid`s marked, and last: some readers take the first."""
    written = [{**jwk, "use": "sig"} for jwk in keys.to_jwks()["keys"]]
    marked = [{**jwk, SIGNS: REVOCATIONS} for jwk in written if jwk.get("kid") in for_revocations]
    return [*(jwk for jwk in written if jwk.get("kid") not in for_revocations), *marked]
