"""Fetching from hosts that clients name: a client's keys, its metadata document, where it hears of logouts.

Whoever may name a URL could make the server look around in its own network (SSRF). So only public addresses are
reached, over TLS, and what counts is the address of the connected socket and not what a name seemed to stand for: it
is looked up once, and the very address that was judged is connected to, so that a name which changes its mind gains
nothing (DNS rebinding). No redirect is followed, no proxy asked, and time and size have bounds.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from ipaddress import IPv6Address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from gatepass.jose.errors import InvalidPolicyError
from gatepass.server.base.public_address import embedded_ipv4, is_public, parsed_address
from gatepass.server.base.urls import is_loopback
from gatepass.verify.issuer import Fetched, FetchError, checked_url
from gatepass.verify.tls import public_authorities

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping
    from urllib.parse import SplitResult

    import httpcore

    from gatepass.server.base.settings import Settings

GET_SECONDS = 3.0
POST_SECONDS = 5.0
"""For the whole exchange, from the first name look-up to the last octet."""
MAX_BYTES = 64 * 1024
"""What an answer may hold, unless less is said."""
MOST_AT_ONCE = 32
"""Exchanges of one process: a client that names many slow hosts delays only other such exchanges."""

_HEADERS = {"User-Agent": "gatepass", "Accept": "application/json", "Accept-Encoding": "identity"}
_NO_HEADERS: Mapping[str, str] = {}


class PublicFetch:
    """Gets and posts at URLs that clients name.

    An error's text says what went wrong, so it is for the operator: to strangers it would show the network.
    """

    def __init__(self, *, allow_loopback: bool = False, private_networks: Iterable[str] = ()) -> None:
        """Prepare to fetch.

        Args:
            allow_loopback: Whether this machine may be asked too, and without TLS: for development.
            private_networks: Networks (CIDR) that may be asked although they are not public.
        """
        self._allow_loopback = allow_loopback
        self._networks = tuple(ip_network(network) for network in private_networks)
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._under_way: dict[tuple[str, int], asyncio.Task[Fetched]] = {}

    @classmethod
    def of(cls, settings: Settings) -> PublicFetch:
        """Prepare to fetch as the settings allow: this machine only while the issuer is on it."""
        host = urlsplit(settings.issuer_url).hostname or ""
        return cls(allow_loopback=is_loopback(host), private_networks=settings.fetch_private_networks)

    async def get(self, url: str, *, max_bytes: int = MAX_BYTES, seconds: float = GET_SECONDS) -> Fetched:
        """Get a URL. Whoever asks for one that is being fetched waits for the same answer.

        Raises:
            FetchError: There is no answer, or one that we do not want to read.
        """
        key = url, max_bytes
        task = self._under_way.get(key)
        if task is None:
            exchange = self._exchange("GET", url, seconds=seconds, max_bytes=max_bytes)
            task = self._under_way[key] = asyncio.create_task(exchange)
            task.add_done_callback(lambda done: self._forget(key, done))
        # One who no longer waits does not take the answer from the others.
        return await asyncio.shield(task)

    async def post(
        self, url: str, form: Mapping[str, str], *, max_bytes: int = MAX_BYTES, seconds: float = POST_SECONDS
    ) -> Fetched:
        """Send a form, whose members may be secret. Raises as `get`.

        Errors name only whose server it is: where something is sent to, the rest of the URL is often a secret.
        """
        sent = {"Content-Type": "application/x-www-form-urlencoded"}
        content = urlencode(form).encode()
        return await self._exchange("POST", url, seconds=seconds, max_bytes=max_bytes, content=content, sent=sent)

    async def send(
        self, url: str, content: bytes, headers: Mapping[str, str], *, max_bytes: int = MAX_BYTES
    ) -> Fetched:
        """Send content with headers that say what it is. Raises as `get`."""
        return await self._exchange(
            "POST", url, seconds=POST_SECONDS, max_bytes=max_bytes, content=content, sent=headers
        )

    def _forget(self, key: tuple[str, int], task: asyncio.Task[Fetched]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # was reported to those who still waited

    async def _exchange(  # noqa: PLR0913 - what an exchange is made of
        self,
        method: str,
        url: str,
        *,
        seconds: float,
        max_bytes: int,
        content: bytes | None = None,
        sent: Mapping[str, str] = _NO_HEADERS,
    ) -> Fetched:
        import httpcore  # noqa: PLC0415 - slow to import: only who fetches pays for it

        parts = _checked(url)
        named = url.partition("?")[0] if content is None else f"{parts.scheme}://{parts.netloc}"
        headers = {**_HEADERS, "Host": parts.netloc, **sent}
        if content is not None:
            headers["Content-Length"] = str(len(content))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # Put together from one reading of the URL: two parsers could see two hosts in it.
        wanted = httpcore.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=target)
        try:
            async with asyncio.timeout(seconds), self._turns, self._pool() as pool:
                request = httpcore.Request(method, wanted, headers=list(headers.items()), content=content)
                return await _read(named, await pool.handle_async_request(request), max_bytes)
        except TimeoutError:
            raise FetchError(f"{named} gave no whole answer within {seconds:g} seconds") from None
        except _errors() as error:
            raise FetchError(f"{named}: {type(error).__name__}: {error}") from None

    @asynccontextmanager
    async def _pool(self) -> AsyncGenerator[httpcore.AsyncConnectionPool]:
        """Connections for one exchange: none is kept, so each is judged."""
        import httpcore  # noqa: PLC0415 - as above

        from gatepass.server.domain.public_sockets import PublicSockets  # noqa: PLC0415 - as above

        backend = PublicSockets(self._check)
        async with httpcore.AsyncConnectionPool(ssl_context=public_authorities(), network_backend=backend) as pool:
            yield pool

    def _check(self, host: str) -> None:
        """Refuse an address that is not to be reached.

        Raises:
            OSError: It is not public, and not allowed by the settings.
        """
        address = parsed_address(host)
        inner = embedded_ipv4(address) if isinstance(address, IPv6Address) else None
        reached = inner or address
        if is_public(reached) or (self._allow_loopback and reached.is_loopback):
            return
        if not any(reached in network for network in self._networks if network.version == reached.version):
            raise OSError(f"{reached} is not a public address")


def _checked(url: str) -> SplitResult:
    try:
        return checked_url(url, "url")
    except InvalidPolicyError as error:
        raise FetchError(f"a URL cannot be asked: {error}") from None


async def _read(named: str, answer: httpcore.Response, max_bytes: int) -> Fetched:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    try:
        if headers.get("content-encoding", "identity") != "identity":
            raise FetchError(f"{named} answered with a compressed body, which was not asked for")
        body = bytearray()
        async for chunk in answer.aiter_stream():
            body += chunk
            if len(body) > max_bytes:
                raise FetchError(f"{named} answered with more than {max_bytes} bytes")
        return Fetched(answer.status, headers, bytes(body))
    finally:
        await answer.aclose()


def _errors() -> tuple[type[Exception], ...]:
    from gatepass.verify import blocking  # noqa: PLC0415 - as above

    return blocking.ERRORS
