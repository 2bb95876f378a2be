"""One HTTP exchange on plain sockets with an overall deadline, for threads and for gevent's greenlets.

It loads httpcore: import it where something is fetched.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping

ERRORS = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    httpcore.ProxyError,
    httpcore.ConnectionNotAvailable,
    OSError,
    UnicodeError,  # an invalid host name
)
"""What `exchange` raises when there is no answer."""


class BodyTooLongError(Exception):
    """The response is longer than allowed."""


def exchange(  # noqa: PLR0913 - each is named where it is called
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes | None,
    context: ssl.SSLContext,
    proxy: str | None,
    deadline: float,
    max_bytes: int,
) -> tuple[int, dict[str, str], bytes]:
    """Send a request and read the whole answer: status, headers (names in lower case), body.

    Args:
        method: The method.
        url: Where to.
        headers: The headers.
        content: The body, if there is one.
        context: The TLS context.
        proxy: The URL of a proxy to go through.
        deadline: When `time.monotonic` says that it is over, wherever it stands.
        max_bytes: What the body may hold.

    Raises:
        BodyTooLongError: The body is longer.
        Exception: One of `ERRORS`.
    """
    with (
        _pool(proxy, context, _Backend(deadline)) as pool,
        pool.stream(method, url, headers=list(headers.items()), content=content) as answer,
    ):
        body = bytearray()
        for chunk in answer.iter_stream():
            body += chunk
            if len(body) > max_bytes:
                raise BodyTooLongError
        return answer.status, {_text(name).lower(): _text(value) for name, value in answer.headers}, bytes(body)


def _text(octets: bytes) -> str:
    return octets.decode("latin-1")


def _pool(proxy: str | None, context: ssl.SSLContext, backend: _Backend) -> httpcore.ConnectionPool:
    if proxy is None:
        return httpcore.ConnectionPool(ssl_context=context, network_backend=backend)
    parts = urlsplit(proxy)
    auth = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    kind = httpcore.SOCKSProxy if parts.scheme.startswith("socks") else httpcore.HTTPProxy
    return kind(bare, proxy_auth=auth, ssl_context=context, network_backend=backend)


class _Backend(httpcore.NetworkBackend):
    """Sockets whose operations all end at the deadline, so that a server that sends slowly gains no time."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def left(self, timeout: float | None) -> float:
        """Seconds that an operation may take."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("no whole answer in time")
        return left if timeout is None else min(left, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._plain.connect_tcp(host, port, self.left(timeout), local_address, socket_options)
        return _Stream(stream, self)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, backend: _Backend) -> None:
        self._stream = stream
        self._left = backend.left
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, self._left(timeout)), self._backend)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as httpcore has it
        return self._stream.get_extra_info(info)
