"""A notice that was checked: what it ends, and since when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from gatepass.jose.errors import IssuedInFutureError
from gatepass.tokens.access_token import MAX_CLOCK_LEAD

if TYPE_CHECKING:
    from collections.abc import Iterable


class Ending(NamedTuple):
    """A sign-in, or a subject, whose tokens end.

    Attributes:
        kind: Which of the two the name is of.
        name: A `sid`, or a `sub`.
        before: Tokens issued until this time end, in seconds since 1970 by the issuer's clock.
    """

    kind: Literal["session", "subject"]
    name: str
    before: int


class ForeignNotice(NamedTuple):
    """What a notice says.

    Attributes:
        jti: Its id; None for a kind that has none.
        issued_at: When it was made, in seconds since 1970.
        endings: What it ends.
        ignored: What of it does nothing here, for the counts.
    """

    jti: str | None
    issued_at: int
    endings: tuple[Ending, ...]
    ignored: tuple[str, ...] = ()


def refuse_from_future(iat: float, now: float) -> None:
    """Refuse a notice from the future, as a verifier refuses such a token.

    Raises:
        IssuedInFutureError: Its `iat` is further ahead than clocks may differ.
    """
    if iat > now + MAX_CLOCK_LEAD:
        raise IssuedInFutureError("iat is further ahead than clocks may differ", claim="iat")


def earliest(times: Iterable[object], iat: float) -> int:
    """When it happened: the first of the times that is one, and never later than the notice was made."""
    stated = next((each for each in times if isinstance(each, int | float) and not isinstance(each, bool)), iat)
    return int(min(stated, iat))
