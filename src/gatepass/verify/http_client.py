"""The HTTP client: bounded answers, checked TLS, no redirects; with an event loop or without one."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import urlencode, urlsplit

from gatepass.jose.errors import InvalidPolicyError

from .issuer import Fetched, FetchError, is_loopback, whole_seconds
from .proxies import proxy_for
from .tls import public_authorities

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping

    from httpx import AsyncClient, Response

    Fetch: TypeAlias = Callable[[str], Fetched | Awaitable[Fetched]]
    """url -> answer. It may block or be async, and raises whatever it likes when there is no answer."""

FETCH_SECONDS = 5.0
"""The time for a whole refresh: metadata and keys, from the first DNS lookup to the last byte."""

MAX_BYTES = 512 * 1024
"""The maximum size of an answer."""

EVENT_STREAM = "text/event-stream"

_ANYTHING = "application/json, */*"
_JSON = "application/json"

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "gatepass"}

_HTTP_OK = 200
_HTTP_NOT_MODIFIED = 304

_MAX_KEPT = 4
_MAX_KEPT_BYTES = 65536
"""Answers that are cached for `If-None-Match`, and their maximum size: metadata and keys."""

_ETAG = re.compile(r"[!-~]+")
"""The validators that can be sent back: our headers are ASCII only."""


class Post(NamedTuple):
    """A form to send.

    Attributes:
        url: Where to.
        form: Its members; they may be secret.
        headers: More headers; they may be secret.
    """

    url: str
    form: Mapping[str, str]
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Post({self.url!r})"


class HttpxFetch:
    """Gets a URL with httpx: no redirects, a bounded and uncompressed answer, TLS checked.

    The proxies of the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`) are used. In a thread, `get_now` and
    `post_now` do the same with the sockets of httpcore, which is under httpx, and without an event loop.
    """

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        proxy: str | None = None,
        max_bytes: int = MAX_BYTES,
        keep_alive: bool = False,
    ) -> None:
        """Prepare to fetch.

        Args:
            ca_file: A PEM file of the only certificate authorities to trust, in place of the public ones.
            proxy: The URL of a proxy to go through, in place of the environment's.
            max_bytes: What one answer may hold.
            keep_alive: Keep connections open for the next request; all requests are then made in one event loop.

        Raises:
            InvalidPolicyError: httpx is not installed, the file cannot be read, or the proxy is no URL of HTTP.
        """
        if find_spec("httpx") is None:
            raise InvalidPolicyError(
                "fetching keys needs httpx: pip install 'gatepass[verify]', or pass keys= or fetch="
            )
        if proxy is not None and not proxy.startswith(("http://", "https://")):
            raise InvalidPolicyError("proxy is a URL that begins with http:// or https://")
        self._max_bytes = max_bytes
        self._keep_alive = keep_alive
        self._proxy = proxy
        self._known: dict[str, Fetched] = {}
        self._kept: tuple[asyncio.AbstractEventLoop, AsyncClient] | None = None
        try:
            self._context = ssl.create_default_context(cafile=ca_file) if ca_file else None
        except OSError as error:
            raise InvalidPolicyError(f"ca_file cannot be read: {error.strerror}") from None

    async def __call__(self, url: str) -> Fetched:
        """Get a URL.

        Raises:
            FetchError: There is no answer, or one that we do not want to read.
        """
        known, headers = self._condition(url)
        async with self._ask(url, _ANYTHING, FETCH_SECONDS, headers) as answer:
            return self._renewed(url, known, await self._read(url, answer))

    def get_now(self, url: str, deadline: float) -> Fetched:
        """Get a URL, in a thread.

        Args:
            url: The URL.
            deadline: When it is over, by `time.monotonic`.

        Raises:
            FetchError: As for a call.
        """
        known, headers = self._condition(url)
        return self._renewed(url, known, self._exchange("GET", url, _ANYTHING, deadline, headers))

    def post_now(self, post: Post, deadline: float) -> Fetched:
        """Send a form, in a thread.

        Args:
            post: The form.
            deadline: When it is over, by `time.monotonic`.

        Raises:
            FetchError: As for a call.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded", **post.headers}
        return self._exchange("POST", post.url, _JSON, deadline, headers, urlencode(post.form).encode())

    def _exchange(  # noqa: PLR0913, PLR0917 - each is named where it is called
        self,
        method: str,
        url: str,
        accept: str,
        deadline: float,
        headers: Mapping[str, str],
        content: bytes | None = None,
    ) -> Fetched:
        from . import blocking  # noqa: PLC0415 - an extra: only who fetches pays for importing it

        try:
            status, found, body = blocking.exchange(
                method,
                url,
                headers={**_HEADERS, "Accept": accept, **headers},
                content=content,
                context=self._trusted(),
                proxy=self._proxy_for(url),
                deadline=deadline,
                max_bytes=self._max_bytes,
            )
        except blocking.BodyTooLongError:
            raise FetchError(f"{url} answered with more than {self._max_bytes} bytes") from None
        except blocking.ERRORS as error:
            if time.monotonic() >= deadline:
                raise TimeoutError from None
            raise FetchError(f"{url}: {type(error).__name__}: {error}") from None
        _refuse_compressed(url, found.get("content-encoding"))
        return Fetched(status, found, body)

    def _condition(self, url: str) -> tuple[Fetched | None, dict[str, str]]:
        """The cached answer of a URL, and the conditional header."""
        known = self._known.get(url)
        return known, {} if known is None else {"If-None-Match": known.headers["etag"]}

    def _renewed(self, url: str, known: Fetched | None, fetched: Fetched) -> Fetched:
        if known is not None and fetched.status == _HTTP_NOT_MODIFIED:
            # RFC 9111 §4.3.4: its freshness applies from now on.
            return Fetched(known.status, {**known.headers, **fetched.headers}, known.body)
        self._keep(url, fetched)
        return fetched

    def _keep(self, url: str, fetched: Fetched) -> None:
        """Cache what need not be sent again: a few small documents."""
        self._known.pop(url, None)
        is_kept = fetched.status == _HTTP_OK and len(fetched.body) <= _MAX_KEPT_BYTES
        if is_kept and _ETAG.fullmatch(fetched.headers.get("etag", "")):
            self._known[url] = fetched
            if len(self._known) > _MAX_KEPT:
                del self._known[next(iter(self._known))]

    async def aclose(self) -> None:
        """Close the kept connections."""
        if self._kept is not None:
            await self._kept[1].aclose()
            self._kept = None

    async def get(self, url: str, headers: Mapping[str, str]) -> Fetched:
        """Get a URL with headers that may be secret; nothing of it is kept.

        Raises:
            FetchError: There is no answer, or one that we do not want to read.
        """
        async with self._ask(url, _JSON, FETCH_SECONDS, headers) as answer:
            return await self._read(url, answer)

    async def post(self, post: Post) -> Fetched:
        """Send a form.

        Raises:
            FetchError: There is no answer, or one that we do not want to read.
        """
        async with self._ask(post.url, _JSON, FETCH_SECONDS, post.headers, post.form) as answer:
            return await self._read(post.url, answer)

    async def _read(self, url: str, answer: Response) -> Fetched:
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > self._max_bytes:
                raise FetchError(f"{url} answered with more than {self._max_bytes} bytes")
        return Fetched(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, bytes(body))

    @asynccontextmanager
    async def listen(
        self, url: str, last_event_id: str, *, authorization: str = ""
    ) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Open a stream of server-sent events that goes on after an event; how long it may be silent is the caller's.

        Args:
            url: Where it is.
            last_event_id: The event that was heard last.
            authorization: The header of that name, which may be secret.

        Raises:
            FetchError: There is no stream, or it broke.
        """
        headers = {"Last-Event-ID": last_event_id}
        if authorization:
            headers["Authorization"] = authorization
        async with self._ask(url, EVENT_STREAM, None, headers) as answer:
            if answer.status_code != _HTTP_OK:
                raise FetchError(
                    f"{url} answered {answer.status_code}",
                    retry_after=whole_seconds(answer.headers.get("retry-after", "")) or 0,
                )
            if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != EVENT_STREAM:
                raise FetchError(f"{url} is no {EVENT_STREAM}")
            yield answer.aiter_raw()

    @asynccontextmanager
    async def _ask(
        self,
        url: str,
        accept: str,
        seconds: float | None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Response]:
        import httpx  # noqa: PLC0415 - an extra, and slow to import: only who fetches pays for it

        wanted = {**_HEADERS, "Accept": accept, **(headers or {})}
        method = "GET" if form is None else "POST"
        try:
            async with (
                self._client(url) as client,
                client.stream(method, url, data=form, headers=wanted, timeout=seconds) as answer,
            ):
                _refuse_compressed(url, answer.headers.get("content-encoding"))
                yield answer
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:  # the last: an invalid host name
            raise FetchError(f"{url}: {type(error).__name__}: {error}") from None

    @asynccontextmanager
    async def _client(self, url: str) -> AsyncGenerator[AsyncClient]:
        """An httpx client: a new one, or the kept one of this event loop."""
        import httpx  # noqa: PLC0415 - as above

        loop = asyncio.get_running_loop()
        if self._kept is not None and self._kept[0] is loop:
            yield self._kept[1]
            return
        client = httpx.AsyncClient(verify=self._trusted(), proxy=self._proxy_for(url), trust_env=False)
        if self._keep_alive:
            self._kept = loop, client
            yield client
            return
        async with client:
            yield client

    def _trusted(self) -> ssl.SSLContext:
        """The TLS context."""
        return self._context or public_authorities()

    def _proxy_for(self, url: str) -> str | None:
        """The proxy for a URL.

        Raises:
            FetchError: The environment names one that cannot be used.
        """
        # Loopback never uses a proxy, whatever the environment says: plain text must not leave this machine.
        if is_loopback(url) or self._proxy is not None:
            return None if is_loopback(url) else self._proxy
        found = proxy_for(url)
        if found is None:
            return None
        cure = f"; correct it, name {urlsplit(url).hostname} in NO_PROXY, or pass proxy="
        if not _is_proxy(found.url):
            raise FetchError(f"{found.variable} in the environment is not the URL of a proxy{cure}")
        if found.url.startswith("socks") and find_spec("socksio") is None:
            raise FetchError(
                f"{found.variable} in the environment names a SOCKS proxy: pip install 'httpx[socks]'{cure}"
            )
        return found.url


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https", "socks5", "socks5h") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _refuse_compressed(url: str, encoding: str | None) -> None:
    if encoding not in (None, "identity"):
        raise FetchError(f"{url} answered with a compressed body, which was not asked for")
