"""A document of the issuer: its signer, which of two is newer, and when to fetch it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.jose import headers
from gatepass.jose.errors import BadClaimError, InvalidKeyError, IssuedInFutureError
from gatepass.jose.limits import DEFAULT
from gatepass.tokens.access_token import MAX_CLOCK_LEAD
from gatepass.verify.clocks import LONG_AGO
from gatepass.verify.issuer import FetchError

from .retry import Trouble

if TYPE_CHECKING:
    from gatepass.verify.clocks import Moment
    from gatepass.verify.issuer import Fetched

TTL_SECONDS = 30
"""How long a document without `ttl` is fresh."""

MIN_TTL_SECONDS = 5
MAX_TTL_SECONDS = 3600
"""The bounds of a list's `ttl`."""

_HTTP_OK = 200
_HTTP_MISSING = (404, 410)


class MissingError(FetchError):
    """The issuer has answered that there is no such document."""


class Document:
    """When a document was and is to be fetched.

    Attributes:
        url: Where it is.
        is_known: Whether it was ever there.
        trouble: How long fetching it has failed.
        epoch: Which line of events it belongs to.
        event_id: The last event that it knows of.
        kid: Which key signed it.
    """

    __slots__ = ("epoch", "event_id", "fetched_at", "iat", "is_known", "kid", "trouble", "url")

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_known = False
        self.trouble = Trouble()
        self.fetched_at = LONG_AGO
        self.epoch: str | None = None
        self.event_id = -1
        self.iat = -1
        self.kid: str | None = None

    @property
    def is_on_its_way(self) -> bool:
        """Whether its first fetch is in progress."""
        return not self.is_known and not self.trouble

    def is_due(self, now: Moment, seconds: float) -> bool:
        """Whether it is time to fetch it, given how long it is fresh."""
        return self.trouble.is_over(now) if self.trouble else now.since(self.fetched_at) >= seconds

    def refuse_older(self, epoch: str | None, event_id: int, iat: int) -> None:
        """Refuse what is older than what we have: within an epoch by event, between epochs by time.

        Raises:
            BadClaimError: It is older than what we have.
        """
        is_older = (event_id, iat) < (self.event_id, self.iat) if epoch == self.epoch else iat < self.iat
        if is_older:
            raise BadClaimError("it is older than what we have", claim="iat")

    def came(self, *, epoch: str | None, event_id: int, iat: int, kid: str, now: Moment) -> None:
        """Record that it was fetched."""
        self.epoch, self.event_id, self.iat, self.kid = epoch, event_id, iat, kid
        self.is_known, self.fetched_at = True, now
        self.trouble.ended()

    def expire(self) -> None:
        """Fetch it again at once."""
        self.fetched_at = LONG_AGO
        self.trouble.hurry()

    def distrust(self) -> None:
        """Accept any replacement, because its key was stolen. Until then it is better than nothing."""
        self.event_id = self.iat = -1
        self.expire()

    def begin_anew(self) -> None:
        """Treat it as never fetched."""
        self.is_known = False
        self.trouble.ended()
        self.expire()


def token_in(url: str, answer: Fetched) -> str:
    """Read a document from an HTTP answer.

    Raises:
        MissingError: The issuer has none there.
        FetchError: It is no document.
    """
    if answer.status in _HTTP_MISSING:
        raise MissingError(f"{url} answered {answer.status}")
    if answer.status != _HTTP_OK:
        raise FetchError(f"{url} answered {answer.status}")
    try:
        return answer.body.decode("ascii").strip()
    except UnicodeDecodeError:
        raise FetchError(f"{url} is no token") from None


def signer_of(token: str) -> str:
    """Read which key a document names as its signer, covered by the signature.

    Raises:
        InvalidKeyError: It does not say.
    """
    kid = headers.read(token.partition(".")[0], DEFAULT).get("kid")
    if not isinstance(kid, str):
        raise InvalidKeyError("the document does not name its key")
    return kid


def refuse_future(iat: float, now: float) -> None:
    """Refuse a document from the future, which would never be replaced by a true one.

    Raises:
        IssuedInFutureError: It claims so.
    """
    if iat > now + MAX_CLOCK_LEAD:
        raise IssuedInFutureError("iat is further ahead than clocks may differ", claim="iat")
