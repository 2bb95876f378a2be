"""The whole server inside another ASGI application: one process, the same database.

```python
auth = create_app(issuer="https://example.com/auth", database="sqlite:///auth.db")
app = FastAPI(lifespan=auth.lifespan)
app.mount("/auth", auth)
app.mount("/.well-known", auth.well_known)
```

The path of the issuer is where it is mounted; RFC 8414 §3 puts that path behind `/.well-known`. Header limits and slow
clients are the host's business there; the limits of bodies are ours as ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

from gatepass.server.app import open_server
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load
from gatepass.server.base.urls import as_browsers_write
from gatepass.server.web.errors import problem

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from types import FrameType

    from starlette.types import Message, Receive, Scope, Send

    from gatepass.server.base.settings import Settings
    from gatepass.server.server import Server
    from gatepass.server.web.dispatcher import Application

_ABNORMAL = 1011


class EmbeddedServer:
    """The server as an ASGI application. Until its lifespan has begun, every call is 503 `not_started`.

    Attributes:
        settings: The settings in force.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._application: Application | None = None

    @property
    def well_known(self) -> EmbeddedServer:
        """What is mounted at `/.well-known`: the issuer's metadata, where clients look for it."""
        return self

    @asynccontextmanager
    async def lifespan(self, _host: object = None) -> AsyncGenerator[None]:
        """Open the store, and run what runs in the background, until the host ends.

        A host with a lifespan of its own enters this one in it: a mounted application's is run by nobody.

        Raises:
            StartupError: as `open_server`.
        """
        async with open_server(self.settings) as server:
            self._application = server.application()
            server.core.lifecycle.is_listening = True
            with _ending_at_a_signal(server):
                try:
                    yield
                finally:
                    self._application = None
                    _end(server)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; on its own it runs its lifespan too."""
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": _ABNORMAL})
        elif self._application is None:
            answer = problem("not_started", "Run the server's lifespan: FastAPI(lifespan=auth.lifespan), for example.")
            await answer(scope, receive, send)
        else:
            await self._application(self._with_whole_path(scope), receive, send)

    @staticmethod
    def _with_whole_path(scope: Scope) -> Scope:
        """The path from the root of the host: some frameworks cut off where they mount, or add a slash at the end."""
        path, root = scope["path"], scope.get("root_path", "")
        raw_path: bytes = (scope.get("raw_path") or b"").partition(b"?")[0]
        sent = unquote_to_bytes(raw_path).decode("utf-8", "replace")
        if sent != path and sent.rstrip("/").endswith(path.rstrip("/")):  # it is the same, and longer
            return {**scope, "path": sent, "raw_path": raw_path}
        if root and not (path == root or path.startswith(f"{root}/")):
            return {**scope, "path": root + path, "raw_path": quote(root + path).encode()}
        return scope

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        message: Message = await receive()
        while message["type"] != "lifespan.startup":
            message = await receive()
        try:
            async with self.lifespan():
                await send({"type": "lifespan.startup.complete"})
                while message["type"] != "lifespan.shutdown":
                    message = await receive()
        except StartupError as error:
            await send({"type": "lifespan.startup.failed", "message": f"{error.message} {error.hint}"})
            return
        await send({"type": "lifespan.shutdown.complete"})


def _end(server: Server) -> None:
    """End the streams, which never end by themselves."""
    server.core.lifecycle.is_draining = True
    server.drain()


@contextmanager
def _ending_at_a_signal(server: Server) -> Generator[None]:
    """End the streams at SIGTERM and SIGINT, and leave the rest to the host.

    An ASGI server waits for its connections before it ends the lifespan, and tells an application nothing before that:
    it would wait for the streams forever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(_end, server)
        if callable(before[number]):
            before[number](number, frame)
        else:  # nobody else waits for it
            signal.signal(number, before[number] or signal.SIG_DFL)
            signal.raise_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for each, former in before.items():
            if signal.getsignal(each) is handle:
                signal.signal(each, former or signal.SIG_DFL)


_NEEDS_OWN_ORIGIN = ("console", "impersonation")
"""What a script of the host could use, if it is of the same origin: it rides an operator's cookie."""


def create_app(*, config: str | Path | None = None, application_origin: str = "", **settings: object) -> EmbeddedServer:
    """Make the server for a host application, from settings by name, the environment and a TOML file.

    The operators' console and impersonation are off: scripts of the host, which are of the same origin, could use an
    operator's cookie. They are there where the server has an origin of its own, such as a host name that the
    application routes to it, and `application_origin` says where the application's own pages are.

    Args:
        config: A TOML file with settings.
        application_origin: The origin of the application's pages, such as `https://www.example.com`.
        settings: Settings by name; `issuer` is needed, with the path where the server is mounted.

    Raises:
        StartupError: as `load`, without an issuer, or where what needs an origin of its own is asked for without one.
    """
    file = None if config is None else Path(config)
    made = load(flags=settings, environment=os.environ, file=file)
    if not made.issuer:
        raise StartupError("A mounted server needs an issuer.", 'Give create_app(issuer="https://example.com/auth").')
    if not application_origin or _origin(application_origin) == _origin(made.issuer):
        if asked := [name for name in _NEEDS_OWN_ORIGIN if settings.get(name)]:
            raise StartupError(
                f"A mounted server has no {' or '.join(asked)} at the origin of the application.",
                "Give the server a host name of its own, and name the application's: application_origin=….",
            )
        off = dict.fromkeys(_NEEDS_OWN_ORIGIN, False)
        made = load(flags=settings | off, environment=os.environ, file=file)
    return EmbeddedServer(made)


def _origin(url: str) -> tuple[str, str]:
    """Scheme and host with port, as browsers compare them (RFC 6454 §4)."""
    return urlsplit(as_browsers_write(url))[:2]
