"""The `Authorization` header, read as RFC 6750 §2.1 says; a token is taken from nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import InvalidRequestError, MissingTokenError

if TYPE_CHECKING:
    from collections.abc import Sequence


def bearer_token(values: Sequence[str]) -> str:
    """Return the token of a request.

    Args:
        values: The value of every `Authorization` header that the request has.

    Raises:
        MissingTokenError: There is none, or it is for another scheme.
        InvalidRequestError: There are several, or what follows `Bearer` is not one word.
    """
    if not values:
        raise MissingTokenError("the request has no Authorization header")
    if len(values) > 1:
        raise InvalidRequestError("the request has more than one Authorization header")
    scheme, _, token = values[0].strip().partition(" ")
    if scheme.lower() != "bearer":
        raise MissingTokenError("the request's Authorization is not Bearer")
    token = token.strip(" ")
    if not token or " " in token:
        raise InvalidRequestError("Bearer is not followed by one token")
    return token
