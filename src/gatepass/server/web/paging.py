"""What the calls have in common: lists by pages (`?limit=`, `?cursor=`), and times."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from gatepass.server.base.errors import Refusal

DEFAULT_LIMIT = 50
MOST = 200


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page of a list, and how many on it."""

    limit: Annotated[int, Meta(ge=1, le=MOST, description=f"How many at most; {DEFAULT_LIMIT} if not said.")] = (
        DEFAULT_LIMIT
    )
    cursor: Annotated[str, Meta(max_length=1_024, description="Where the page begins: `next` of the one before.")] = ""


def cursor_of(key: str) -> str:
    """A position in a list, in a form that says nothing to promise."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def key_of(cursor: str) -> str:
    """The position that a cursor stands for; the beginning for an empty one.

    Raises:
        Refusal: `invalid_query`.
    """
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise Refusal("invalid_query", "There is no such cursor: take `next` of the page before.") from error


def rfc3339(seconds: float) -> datetime:
    """A time, which is written as RFC 3339 does, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC)
