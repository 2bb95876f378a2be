"""Calling an authorization server as an OAuth client: client authentication, and finding its endpoints."""

from __future__ import annotations

import base64
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from gatepass.jose import jwt
from gatepass.jose.errors import InvalidPolicyError, MalformedError
from gatepass.jose.limits import DEFAULT
from gatepass.jose.strict_json import decode_object
from gatepass.tokens import dpop_proof

from .http_client import Post
from .issuer import FetchError, IssuerKeys, checked_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping

    from gatepass.jose import Key

    from .http_client import HttpxFetch
    from .issuer import Fetched

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS = 60
_HTTP_OK = 200


class EndpointCaller:
    """One client at one authorization server. It decides what to send; a driver sends it."""

    def __init__(  # noqa: PLR0913 - each is named where it is called
        self,
        *,
        issuer: str,
        client_id: str,
        client_secret: str | None,
        client_key: Key | None,
        endpoint: str,
        url: str | None,
        clock: Callable[[], float],
    ) -> None:
        """Set it up.

        Args:
            issuer: The authorization server.
            client_id: The client's id.
            client_secret: Its secret (RFC 6749 §2.3.1).
            client_key: Or its private key (RFC 7523).
            endpoint: The member of the server's metadata that says where to call.
            url: Where to call, if that is known.
            clock: The time, in seconds since 1970.

        Raises:
            InvalidPolicyError: There is not exactly one of secret and key, or a URL is not https.
        """
        if (client_secret is None) == (client_key is None):
            raise InvalidPolicyError("a client has client_secret or client_key")
        if client_key is not None and (client_key.is_secret or not client_key.is_private):
            raise InvalidPolicyError("client_key is a private key")
        self.issuer = issuer
        self._issuer = IssuerKeys(issuer)
        self._client_id = client_id
        self._secret = client_secret
        self._key = client_key
        self._endpoint = endpoint
        self._url = self._given_url = url
        self._clock = clock
        if url is not None:
            checked_url(url, "url")

    def call(self, form: Mapping[str, str], *, dpop_key: Key | None = None) -> Generator[str | Post, Fetched, Fetched]:
        """Yields each request to send, receives the answer, and returns the last one.

        Args:
            form: What to send.
            dpop_key: The key that a token is to be bound to (RFC 9449 §5).

        Raises:
            FetchError: The server does not say where to call.
        """
        if self._url is None:
            metadata = yield from self._issuer.read_metadata()
            self._url = self._issuer.checked_endpoint(metadata, self._endpoint)
        answer = yield self._post(self._url, form, dpop_key)
        nonce = answer.headers.get("dpop-nonce")
        if dpop_key is not None and nonce is not None and b"use_dpop_nonce" in answer.body:
            answer = yield self._post(self._url, form, dpop_key, nonce)  # RFC 9449 §8
        return answer

    def _post(self, url: str, form: Mapping[str, str], dpop_key: Key | None, nonce: str | None = None) -> Post:
        headers, more = self._proof()
        if dpop_key is not None:
            headers["DPoP"] = dpop_proof.make(dpop_key, method="POST", url=url, nonce=nonce, now=self._clock())
        return Post(url, {**form, **more}, headers)

    def forget(self) -> None:
        """Look up the endpoint again, because it did not work."""
        self._url = self._given_url

    def _proof(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the client authentication: headers, and form parameters."""
        if self._key is None:
            return {"Authorization": basic_credentials(self._client_id, self._secret or "")}, {}
        now = int(self._clock())
        claims: dict[str, Any] = {"iss": self._client_id, "sub": self._client_id, "aud": self.issuer}
        claims |= {"iat": now, "exp": now + _ASSERTION_SECONDS, "jti": token_urlsafe(16)}
        assertion = jwt.sign(claims, self._key)
        return {}, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}


async def drive(
    flow: Generator[str | Post, Fetched, Fetched],
    get: Callable[[str], Awaitable[Fetched]],
    post: Callable[[Post], Awaitable[Fetched]],
) -> Fetched:
    """Send what the flow asks for until it returns."""
    try:
        wanted = next(flow)
        while True:
            wanted = flow.send(await (post(wanted) if isinstance(wanted, Post) else get(wanted)))
    except StopIteration as stop:
        answer: Fetched = stop.value
        return answer


def drive_now(flow: Generator[str | Post, Fetched, Fetched], http: HttpxFetch, deadline: float) -> Fetched:
    """Do as `drive` does, in a thread, until a deadline by `time.monotonic`."""
    try:
        wanted = next(flow)
        while True:
            answer = http.post_now(wanted, deadline) if isinstance(wanted, Post) else http.get_now(wanted, deadline)
            wanted = flow.send(answer)
    except StopIteration as stop:
        last: Fetched = stop.value
        return last


class RefusedError(FetchError):
    """The authorization server refused the client.

    Attributes:
        code: OAuth's code for it (RFC 6749 §5.2), such as `invalid_client`.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


def read_json(answer: Fetched, issuer: str) -> dict[str, Any]:
    """Read the answer of an endpoint.

    Raises:
        RefusedError: It is one of OAuth's errors.
        FetchError: It is something else that is no answer.
    """
    try:
        found = decode_object(answer.body, DEFAULT.depth)
    except MalformedError:
        what = "no JSON" if answer.status == _HTTP_OK else str(answer.status)
        raise FetchError(f"{issuer} answered {what}") from None
    if answer.status == _HTTP_OK:
        return found
    code = found.get("error")
    if isinstance(code, str) and code.isascii() and code.replace("_", "").isalnum():
        raise RefusedError(f"{issuer} answered {answer.status} {code}", code=code)
    raise FetchError(f"{issuer} answered {answer.status}")


def basic_credentials(client_id: str, secret: str) -> str:
    """Return the `Authorization` header of a client that authenticates with its secret.

    RFC 6749 §2.3.1: both are encoded as in a form first, so that a colon can be in either.
    """
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
