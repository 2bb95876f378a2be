"""The JWKS as a verifier reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.jose import KeySet
from gatepass.tokens.published_keys import split

if TYPE_CHECKING:
    import httpx


def document_keys(api: httpx.Client) -> KeySet:
    """The published keys that sign what is revoked, and nothing else."""
    answer = api.get("/.well-known/jwks.json")
    return split(KeySet.from_jwks(answer.content), answer.json()["keys"]).documents


def token_keys(api: httpx.Client) -> KeySet:
    """The published keys without those that sign what is revoked."""
    answer = api.get("/.well-known/jwks.json")
    return split(KeySet.from_jwks(answer.content), answer.json()["keys"]).tokens
