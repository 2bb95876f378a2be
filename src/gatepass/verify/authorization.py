"""The `Authorization` header, read as RFC 6750 §2.1 and RFC 9449 §7.1 say."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .errors import InvalidRequestError, MissingTokenError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Credentials(NamedTuple):
    """A request's token.

    Attributes:
        token: The access token.
        is_dpop: Whether it came by the scheme `DPoP`, so that a proof belongs to it.
    """

    token: str
    is_dpop: bool


def credentials(values: Sequence[str]) -> Credentials:
    """Return the token of a request.

    Args:
        values: The value of every `Authorization` header that the request has. Several are read as one that a proxy
            joined (RFC 9110 §5.3), which never is one token.

    Raises:
        MissingTokenError: There is none, or it is for another scheme.
        InvalidRequestError: What follows `Bearer` or `DPoP` is not one word.
    """
    if not values:
        raise MissingTokenError("the request has no Authorization header")
    value = values[0] if len(values) == 1 else ", ".join(values)
    scheme, _, token = value.strip().partition(" ")
    scheme = scheme.lower()
    if scheme not in ("bearer", "dpop"):
        raise MissingTokenError("the request's Authorization is neither Bearer nor DPoP")
    token = token.strip(" ")
    if not token or " " in token or "," in token:
        raise InvalidRequestError(f"{'DPoP' if scheme == 'dpop' else 'Bearer'} is not followed by one token")
    return Credentials(token, scheme == "dpop")


def bearer_token(values: Sequence[str]) -> str:
    """Return the bearer token of a request.

    Args:
        values: The value of every `Authorization` header that the request has.

    Raises:
        MissingTokenError: There is none, or it is for another scheme.
        InvalidRequestError: What follows `Bearer` is not one word.
    """
    found = credentials(values)
    if found.is_dpop:
        raise MissingTokenError("the request's Authorization is not Bearer")
    return found.token
