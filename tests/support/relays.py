"""`gatepass relay` as its own process, and in a thread of the test."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatepass.relay.relaying import Relay
from gatepass.relay.serving import RelayListening, serve

if TYPE_CHECKING:
    from collections.abc import Generator

GATEPASS = str(Path(sys.executable).with_name("gatepass"))


@contextmanager
def relay_process(
    issuer: str, *upstreams: str, port: int = 0, words: tuple[str, ...] = ()
) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Run it; gives the process and its URL."""
    follows = [word for upstream in upstreams for word in ("--upstream", upstream)]
    command = [GATEPASS, "relay", "--issuer", issuer, *follows, "--port", str(port), *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = next(line for line in process.stderr if "listens on" in line)
        yield process, said.rpartition(" ")[2].strip()
    finally:
        process.kill()
        process.communicate(timeout=30)


@contextmanager
def running_relay(
    issuer: str,
    *upstreams: str,
    port: int = 0,
    tls: tuple[str, str] | tuple[None, None] = (None, None),
    **options: Any,  # noqa: ANN401 - Relay's
) -> Generator[str]:
    """Run one in a thread; gives its URL."""
    listening = RelayListening(port=port, tls_cert=tls[0], tls_key=tls[1])
    ready, loops, stop = threading.Event(), list[asyncio.AbstractEventLoop](), asyncio.Event()
    urls: list[str] = []

    def tell(url: str) -> None:
        urls.append(url)
        ready.set()

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        await serve(Relay(issuer, upstreams, **options), listening, on_ready=tell, stop=stop)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    try:
        assert ready.wait(10)
        yield urls[0]
    finally:
        with suppress(RuntimeError):  # it has ended by itself
            loops[0].call_soon_threadsafe(stop.set)
        thread.join(10)
