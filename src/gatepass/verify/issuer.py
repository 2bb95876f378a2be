"""What is known of an issuer's keys, and what to fetch when, without I/O, clock or lock.

`IssuerKeys` decides which keys there are, when to fetch, and (`refresh`) what to fetch and how to read the answers.
`fetch.py` does the fetching.
"""

from __future__ import annotations

import logging
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from gatepass.jose import KeySet
from gatepass.jose.errors import InvalidPolicyError, JoseError, MalformedError
from gatepass.jose.limits import DEFAULT, Limits
from gatepass.jose.strict_json import decode_object
from gatepass.tokens.published_keys import split

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from urllib.parse import SplitResult

FRESH_SECONDS = 600
"""How long keys are fresh when the answer does not say."""

MIN_FRESH_SECONDS = 60
MAX_FRESH_SECONDS = 3600
"""The bounds of `Cache-Control: max-age`: a withdrawn key is dropped within the hour."""

USABLE_SECONDS = 3 * 24 * 3600
"""How long the last known keys keep verifying while the issuer is unreachable: a long weekend."""

DISCOVERY_SECONDS = 24 * 3600
"""How long the metadata's URL of the keys is used."""

UNKNOWN_KID_SECONDS = 30
"""Tokens with an unknown `kid` cause one fetch, and then none for this long."""

SIGNERS_LOOKED_FOR = 3
"""Documents with an unknown `kid` cause as many fetches in that time: they come from the issuer, or through a relay."""

FIRST_BACKOFF_SECONDS = 5
MAX_BACKOFF_SECONDS = 60
"""The wait after a failed fetch, doubled each time."""

MAX_KEYS = 100
"""The maximum number of an issuer's keys: parsing a JWK takes time."""

_HTTP_OK = 200
_HTTP_ABSENT = (404, 410)


class Fetched(NamedTuple):
    """An HTTP answer.

    Attributes:
        status: The status code.
        headers: The headers, names in lower case.
        body: The content, not compressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class FetchError(Exception):
    """A fetch gave no usable answer; the text says why, and what to look at.

    Attributes:
        retry_after: The seconds after which the other side asks us to come again (RFC 9110 §10.2.3); 0 if it does not.
    """

    def __init__(self, reason: str, *, retry_after: float = 0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Offer(NamedTuple):
    """Where an issuer says what it has revoked, as far as it does.

    Attributes:
        stream_url: The push stream (`revocations_uri`).
        snapshot_url: The snapshot (`revocations_snapshot_uri`).
    """

    stream_url: str | None = None
    snapshot_url: str | None = None


class Published(NamedTuple):
    """What an issuer publishes.

    Attributes:
        keys: Those that sign tokens.
        document_keys: Those that sign what it has revoked.
        fresh_seconds: How long they need not be fetched again.
        jwks_url: Where they are.
        offer: Where its revocations are.
    """

    keys: KeySet
    document_keys: KeySet
    fresh_seconds: int
    jwks_url: str
    offer: Offer = Offer()


class IssuerKeys:
    """The keys of one issuer.

    Attributes:
        url: Its name, as tokens and metadata write it.
        keys: The keys last published that sign tokens; empty before the first fetch.
        document_keys: Those that sign what the issuer has revoked: keys of their own, or where it has none, `keys`.
        fetched_at: When they were fetched, or None.
        offer: Where the issuer says what it has revoked.
        failure: Why the last fetch failed, or None if it did not.
    """

    def __init__(  # noqa: PLR0913 - one for each thing that a caller may know
        self,
        url: str,
        *,
        jwks_url: str | None = None,
        alg: str | None = None,
        allow_http: bool = False,
        offer: Offer | None = None,
        unknown_kid_seconds: float = UNKNOWN_KID_SECONDS,
    ) -> None:
        """Describe an issuer by its URL.

        Args:
            url: The issuer, as its tokens and its metadata write it.
            jwks_url: Where its keys are, if it has no metadata document.
            alg: The algorithm of published keys that name none.
            allow_http: Whether hosts of a development network are asked without TLS.
            offer: Where its revocations are, whatever its metadata says.
            unknown_kid_seconds: For how long after a fetch for an unknown `kid` there is no other; 0 for a caller that
                sees to that itself.

        Raises:
            InvalidPolicyError: A URL is not https (or http on loopback), or has a query or a fragment.
        """
        self.url = url
        self._allows_http = allow_http
        self._parts = checked_url(url, "issuer", allow_http=allow_http)
        self._alg = alg
        self._unknown_kid_seconds = unknown_kid_seconds
        self._is_given = jwks_url is not None
        self._jwks_url = jwks_url
        self._discovered_at = 0.0
        if jwks_url is not None:
            checked_url(jwks_url, "jwks_url", allow_http=allow_http)
        self.keys = self.document_keys = KeySet([])
        self.fetched_at: float | None = None
        self.offer = offer or Offer()
        self._has_offer = offer is not None
        self.failure: str | None = None
        self._fresh_seconds = FRESH_SECONDS
        self._backoff = 0
        self._retry_at = 0.0
        self._asked_at: float | None = None
        self._looked_for_signer: list[float] = []

    # ── when ──

    @property
    def fresh_until(self) -> float:
        """When the keys should be fetched again, in seconds since 1970."""
        return (self.fetched_at or 0) + self._fresh_seconds

    def is_fresh(self, now: float) -> bool:
        """Tell whether the keys are recent enough not to be fetched again."""
        return self._is_within(now, self._fresh_seconds)

    def is_usable(self, now: float) -> bool:
        """Whether the keys may verify, fresh or not."""
        return self._is_within(now, USABLE_SECONDS)

    def is_due(self, now: float) -> bool:
        """Whether it is time to fetch, for any token."""
        if self.failure is not None:
            return self.retry_after(now) == 0
        return not self.is_fresh(now)

    def retry_after(self, now: float) -> float:
        """Seconds until a fetch may follow a failed one."""
        wait = self._retry_at - now
        # A longer wait than any back-off means that the clock was set back.
        return wait if 0 < wait <= MAX_BACKOFF_SECONDS else 0

    def may_ask(self, now: float) -> bool:
        """Whether a token with an unknown `kid` may cause a fetch; if so, the next ones may not."""
        if self._asked_at is not None and 0 <= now - self._asked_at < self._unknown_kid_seconds:
            return False
        self._asked_at = now
        return True

    def may_look_for_signer(self, now: float) -> bool:
        """Whether a document with an unknown `kid` may cause a fetch; if so, it is counted."""
        recent = [at for at in self._looked_for_signer if 0 <= now - at < UNKNOWN_KID_SECONDS]
        self._looked_for_signer = recent
        if len(recent) >= SIGNERS_LOOKED_FOR:
            return False
        recent.append(now)
        return True

    def _is_within(self, now: float, seconds: float) -> bool:
        return self.fetched_at is not None and 0 <= now - self.fetched_at < seconds

    # ── what ──

    def refresh(self, now: float) -> Generator[str, Fetched, Published]:
        """Yields each URL to fetch, receives the answer, and returns what the issuer publishes.

        It changes nothing; pass the result to `learn` or `fail`.

        Raises:
            FetchError: An answer was not what it should be.
        """
        jwks_url, offer = self._jwks_url, self.offer
        if jwks_url is None or (not self._is_given and not 0 <= now - self._discovered_at < DISCOVERY_SECONDS):
            jwks_url, offer = yield from self._discover()
        answer = yield jwks_url
        if answer.status != _HTTP_OK:
            raise FetchError(f"{jwks_url} answered {answer.status}")
        try:
            every = KeySet.from_public_jwks(answer.body, self._alg, limits=Limits(keys=MAX_KEYS))
        except JoseError as error:
            raise FetchError(f"{jwks_url} holds no keys: {error}") from None
        keys = split(every, decode_object(answer.body, DEFAULT.depth)["keys"])
        offer = self.offer if self._has_offer else offer
        return Published(keys.tokens, keys.documents, fresh_seconds(answer.headers), jwks_url, offer)

    def learn(self, published: Published, now: float) -> None:
        """Apply the result of a refresh that began at `now`."""
        if published.keys.to_jwks() != self.keys.to_jwks() or published.keys.left_out != self.keys.left_out:
            self.keys = published.keys
        self.document_keys = published.document_keys
        if published.jwks_url != self._jwks_url or not 0 <= now - self._discovered_at < DISCOVERY_SECONDS:
            self._jwks_url, self._discovered_at = published.jwks_url, now
        self.fetched_at = now
        self.offer = published.offer
        self.failure = None
        self._fresh_seconds = published.fresh_seconds
        self._backoff = 0

    def fail(self, reason: str, now: float) -> None:
        """Record a failed refresh, and double the wait. The known keys stay."""
        self.failure = reason
        self._backoff = min(2 * self._backoff or FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS)
        self._retry_at = now + self._backoff
        if not self._is_given:
            self._jwks_url = None  # the keys may have moved

    def _discover(self) -> Generator[str, Fetched, tuple[str, Offer]]:
        metadata = yield from self.read_metadata()
        return self.checked_endpoint(metadata, "jwks_uri"), self._offer_of(metadata)

    def read_metadata(self) -> Generator[str, Fetched, dict[str, Any]]:
        """RFC 8414 §3, and where there is no such document, OpenID Connect Discovery §4.

        Raises:
            FetchError: There is neither, or it is about another issuer.
        """
        trouble: str | None = None
        for url in self._metadata_urls():
            answer = yield url
            metadata = _json_object(answer.body) if answer.status == _HTTP_OK else None
            if metadata is not None:
                # RFC 8414 §3.3: a document that names another issuer must not be used.
                if metadata.get("issuer") != self.url:
                    raise FetchError(f"{url} is about another issuer than {self.url}")
                return metadata
            if trouble is None and answer.status not in _HTTP_ABSENT:
                # A failure at one URL may still succeed at the next; if not, this is the reason.
                trouble = f"{url} answered {answer.status}" + (" and no JSON" if answer.status == _HTTP_OK else "")
        raise FetchError(trouble or f"{self.url} has no metadata document; is the issuer right? If so, pass jwks_url=")

    def _metadata_urls(self) -> tuple[str, str]:
        origin = f"{self._parts.scheme}://{self._parts.netloc}"
        path = self._parts.path.rstrip("/")
        return (
            f"{origin}/.well-known/oauth-authorization-server{path}",
            f"{origin}{path}/.well-known/openid-configuration",
        )

    def checked_endpoint(self, metadata: dict[str, Any], name: str) -> str:
        """Return a URL from the metadata, if keys and secrets may be sent there.

        Raises:
            FetchError: It is not.
        """
        url = metadata.get(name)
        if not isinstance(url, str):
            raise FetchError(f"the metadata of {self.url} has no {name}")
        try:
            checked_url(url, name, allow_http=self._allows_http)
        except InvalidPolicyError as error:
            raise FetchError(str(error)) from None
        if is_loopback(url) and not is_loopback(self.url):
            raise FetchError(f"the {name} of {self.url} is on this machine")
        return url

    def _offer_of(self, metadata: dict[str, Any]) -> Offer:
        """The offer without URLs outside the issuer's own origin."""
        return Offer(
            *(
                url if isinstance(url, str) and is_same_origin(url, self.url) else None
                for url in (metadata.get("revocations_uri"), metadata.get("revocations_snapshot_uri"))
            )
        )


def is_same_origin(url: str, issuer: str) -> bool:
    """Whether a URL has an issuer's scheme, host and port (RFC 6454 §4)."""
    try:
        parts, own = checked_url(url, "url"), urlsplit(issuer)
    except InvalidPolicyError:
        return False
    return _origin(parts) == _origin(own)


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def fresh_seconds(headers: Mapping[str, str]) -> int:
    """How long an answer is fresh by its headers (RFC 9111 §4.2), within our bounds."""
    directives = [part.strip().lower() for part in headers.get("cache-control", "").split(",")]
    if "no-store" in directives or "no-cache" in directives:
        return MIN_FRESH_SECONDS
    ages = [part.removeprefix("max-age=").strip('"') for part in directives if part.startswith("max-age=")]
    if len(ages) != 1 or (age := whole_seconds(ages[0])) is None:
        return FRESH_SECONDS
    age -= whole_seconds(headers.get("age", "")) or 0
    return min(max(age, MIN_FRESH_SECONDS), MAX_FRESH_SECONDS)


def whole_seconds(text: str) -> int | None:
    """RFC 9111 §1.2.2: a non-negative integer, of at most nine digits."""
    return int(text[:9]) if text.isascii() and text.isdigit() else None


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        return decode_object(body, DEFAULT.depth)
    except MalformedError:
        return None


def checked_url(url: str, name: str, *, allow_http: bool = False) -> SplitResult:
    """Parse a URL that keys depend on, which must be https, except on this machine.

    With `allow_http` the hosts of a development network are asked without TLS, too; each such URL is logged.
    """
    # Refuse first what parsers disagree about: two readings of one URL could be two hosts.
    if not all("!" <= character <= "~" and character != "\\" for character in url):
        raise InvalidPolicyError(f"{name} has characters that are not allowed in a URL")
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise InvalidPolicyError(f"{name} is not a URL") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(url)):
        if parts.scheme != "http" or not (allow_http and _is_in_development(host or "")):
            raise InvalidPolicyError(f"{name} must be an https URL; http is for this machine only{_CURE}")
        _log.warning(
            "%s is fetched without TLS: an attacker on the network can forge tokens. For development only", url
        )
    if not host or parts.username is not None or parts.fragment or (name == "issuer" and parts.query):
        raise InvalidPolicyError(f"{name} is not a URL of a scheme, a host and a path")
    return parts


_CURE = ", or with allow_http_in_development=True for names without a dot and private addresses"

_log = logging.getLogger(__name__)


def _is_in_development(host: str) -> bool:
    """Whether a host is of a private network: public names have a dot."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return bool(host) and "." not in host


def is_loopback(url: str) -> bool:
    """Whether a URL is on this machine, by its host alone, without DNS."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
