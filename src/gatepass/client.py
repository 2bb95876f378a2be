"""Calling APIs as a service, with its own access token that is renewed before it expires.

with httpx.Client(auth=ClientCredentials(issuer="https://auth.example.com", client_id=…, client_secret=…)) as http:
    http.get("https://api.example.com/orders")

The same object serves `httpx.Client` and `httpx.AsyncClient`, any number of threads, tasks and clients.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens import dpop_proof
from gatepass.verify.clocks import Lifetime, Moment, running_clock, wall_clock
from gatepass.verify.http_client import FETCH_SECONDS, HttpxFetch
from gatepass.verify.issuer import FetchError
from gatepass.verify.oauth_client import EndpointCaller, RefusedError, drive_now, read_json
from gatepass.verify.waiting import await_, wait

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from gatepass.jose import Key
    from gatepass.verify.waiting import Wait

__all__ = ["ClientCredentials", "NoTokenError"]

RENEW_AT = 0.8
"""The part of a token's life after which it is renewed, in the background while it is still good."""

SPARE_SECONDS = 10
"""A token that expires this soon is no longer sent, because the request may take a while."""

RETRY_SECONDS = 5
"""How long to wait after a failed renewal while the token is still valid."""

_HTTP_UNAUTHORIZED = 401

_TOKEN = re.compile(r"[ -~]+")
"""RFC 6749, appendix A.12."""

_log = logging.getLogger(__name__)


class NoTokenError(httpx.HTTPError):
    """There is no access token to send.

    Attributes:
        code: OAuth's code for it (RFC 6749 §5.2), such as `invalid_client`; `issuer_unavailable` where there was no
            answer.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class _Answer(msgspec.Struct, frozen=True):
    """RFC 6749 §5.1."""

    access_token: str
    token_type: str
    expires_in: float = 300


class _Held(msgspec.Struct, frozen=True):
    token: str
    fresh: Lifetime
    good: Lifetime

    def __repr__(self) -> str:
        return "_Held(…)"


class ClientCredentials(httpx.Auth):
    """Gets a token by the client credentials grant (RFC 6749 §4.4), and sends it with every httpx request.

    Concurrent requests share one fetch, and none waits while there is a valid token. When an API refuses the token all
    the same (401 `invalid_token`, as after a revocation) the request is sent once more with a new one.
    """

    def __init__(  # noqa: PLR0913 - each is named where it is called
        self,
        *,
        issuer: str,
        client_id: str,
        client_secret: str | None = None,
        client_key: Key | None = None,
        dpop_key: Key | None = None,
        scope: str | None = None,
        audience: str | None = None,
        token_url: str | None = None,
        ca_file: str | None = None,
        clock: Callable[[], float] = wall_clock,
    ) -> None:
        """Set the client up. Nothing is fetched yet.

        Args:
            issuer: The authorization server: an https URL (http on this machine only).
            client_id: The service's id there.
            client_secret: Its secret.
            client_key: Or its private key, to prove itself without sending a secret (RFC 7523).
            dpop_key: A private key of this process to bind tokens to (RFC 9449), so that a stolen one is of no use:
                `Key.generate("ES256")` does.
            scope: Scopes to ask for, separated by spaces; by default what the client may have.
            audience: The API that the token is for (`audience`, and RFC 8707's `resource` where it is a URL).
            token_url: Where tokens are given, if the issuer's metadata does not say.
            ca_file: A PEM file of the only certificate authorities to trust when fetching tokens.
            clock: The time, in seconds since 1970.

        Raises:
            InvalidPolicyError: There is not exactly one of secret and key, a key is not private, or a URL is not https.
        """
        if dpop_key is not None and (dpop_key.is_secret or not dpop_key.is_private):
            raise InvalidPolicyError("dpop_key is a private key")
        self._dpop_key = dpop_key
        self._nonces: dict[str, str] = {}
        self._form = {"grant_type": "client_credentials"}
        if scope is not None:
            self._form["scope"] = scope
        if audience is not None:
            self._form["audience"] = audience
            if "://" in audience:
                self._form["resource"] = audience
        self._caller = EndpointCaller(
            issuer=issuer,
            client_id=client_id,
            client_secret=client_secret,
            client_key=client_key,
            endpoint="token_endpoint",
            url=token_url,
            clock=clock,
        )
        self._issuer = issuer
        self._http = HttpxFetch(ca_file=ca_file)
        self._clock = clock
        self._held: _Held | None = None
        self._begin()
        self._flight_ends = 0.0
        self._retry_at = 0.0

    def _begin(self) -> None:
        """Start over in a forked process, because the lock and the fetch belong to the parent."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._flight: Future[_Held] | None = None

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the token with a request of `httpx.Client`."""
        token = wait(self._token())
        response = yield self._with(request, token)
        if self._is_worth_another(request, response, token):
            yield self._with(request, wait(self._token()))

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the token with a request of `httpx.AsyncClient`."""
        token = await await_(self._token())
        response = yield self._with(request, token)
        if self._is_worth_another(request, response, token):
            yield self._with(request, await await_(self._token()))

    def token(self) -> str:
        """Return an access token that stays valid for a while, for clients other than httpx.

        Raises:
            NoTokenError: There is none to be had.
        """
        return wait(self._token())

    async def atoken(self) -> str:
        """Do as `token` does, in an event loop."""
        return await await_(self._token())

    def __repr__(self) -> str:
        return f"ClientCredentials(issuer={self._issuer!r})"

    # ── deciding ──

    @property
    def _now(self) -> Moment:
        return Moment(self._clock(), running_clock())

    def _token(self) -> Generator[Wait, None, str]:
        """Return the token, yielding the fetch that brings one if there is none."""
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            now, held = self._now, self._held
            if held is not None and not held.good.is_over(now):
                is_paused = 0 < self._retry_at - now.wall <= RETRY_SECONDS  # longer than that: the clock was set back
                if held.fresh.is_over(now) and not is_paused and not self._is_flying():
                    self._start()
                return held.token
            flight = self._flight if self._flight is not None and self._is_flying() else self._start()
        yield flight, FETCH_SECONDS + 1
        try:
            return flight.result(0).token
        except RefusedError as error:
            raise NoTokenError(str(error), code=error.code) from None
        except (FetchError, TimeoutError, RuntimeError) as error:
            reason = str(error) or "no answer in time"
            raise NoTokenError(f"no token from {self._issuer}: {reason}", code="issuer_unavailable") from None

    def _with(self, request: httpx.Request, token: str) -> httpx.Request:
        """Put the token into a request, and the proof that belongs to it."""
        if self._dpop_key is None:
            request.headers["Authorization"] = f"Bearer {token}"
            return request
        url, nonce = str(request.url), self._nonces.get(request.url.host)
        request.headers["Authorization"] = f"DPoP {token}"
        request.headers["DPoP"] = dpop_proof.make(
            self._dpop_key, method=request.method, url=url, token=token, nonce=nonce, now=self._clock()
        )
        return request

    def _is_worth_another(self, request: httpx.Request, response: httpx.Response, token: str) -> bool:
        """Whether the request may succeed with a new token or nonce. A streamed body cannot be sent again."""
        if (nonce := response.headers.get("DPoP-Nonce")) is not None:
            self._nonces[request.url.host] = nonce  # RFC 9449 §8.2: from now on this one
        challenges = response.headers.get("WWW-Authenticate", "")
        if response.status_code != _HTTP_UNAUTHORIZED or not isinstance(request.stream, httpx.ByteStream):
            return False
        if "invalid_token" in challenges:  # RFC 6750 §3.1
            self._discard(token)
            return True
        return self._dpop_key is not None and "use_dpop_nonce" in challenges

    def _discard(self, token: str) -> None:
        with self._lock:
            if self._held is not None and self._held.token == token:
                self._held = None

    # ── fetching ──

    def _is_flying(self) -> bool:
        """Whether a fetch is in progress; one long past its deadline counts as lost."""
        return self._flight is not None and not self._flight.done() and time.monotonic() < self._flight_ends

    def _start(self) -> Future[_Held]:
        flight: Future[_Held] = Future()
        flight.set_running_or_notify_cancel()  # from here on a waiting caller cannot cancel it
        self._flight, self._flight_ends = flight, time.monotonic() + FETCH_SECONDS + 1
        try:
            threading.Thread(target=self._fly, args=(flight,), name="gatepass-token", daemon=True).start()
        except RuntimeError as error:
            flight.set_exception(error)
        return flight

    def _fly(self, flight: Future[_Held]) -> None:
        """The fetching thread."""
        try:
            held = self._fetch()
        except BaseException as error:  # noqa: BLE001 - waiting callers must get an answer
            self._caller.forget()
            with self._lock:
                self._retry_at = self._clock() + RETRY_SECONDS
            _log.warning("cannot get a token from %s: %s", self._issuer, str(error) or "no answer in time")
            flight.set_exception(error if isinstance(error, FetchError | TimeoutError) else RuntimeError("a defect"))
            return
        with self._lock:
            if flight is self._flight:
                self._held = held
        flight.set_result(held)

    def _fetch(self) -> _Held:
        began, deadline = self._now, time.monotonic() + FETCH_SECONDS
        call = self._caller.call(self._form, dpop_key=self._dpop_key)
        found = read_json(drive_now(call, self._http, deadline), self._issuer)
        return _read(found, self._issuer, began, kind="bearer" if self._dpop_key is None else "dpop")


def _read(found: dict[str, Any], issuer: str, began: Moment, *, kind: str) -> _Held:
    try:
        answer = msgspec.convert(found, _Answer)
    except msgspec.ValidationError:
        raise FetchError(f"{issuer} answered without a token") from None
    if answer.token_type.lower() != kind or not _TOKEN.fullmatch(answer.access_token) or answer.expires_in <= 0:
        raise FetchError(f"{issuer} answered with another type of token")
    spare = min(SPARE_SECONDS, answer.expires_in / 2)
    return _Held(
        answer.access_token,
        fresh=Lifetime(began, answer.expires_in * RENEW_AT),
        good=Lifetime(began, answer.expires_in - spare),
    )
