"""`gatepass guard` as its own process, and the proxies of Debian's packages before an application that echoes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import pytest
import uvicorn
from tests.support.ports import free_port
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

SAMPLES = Path(__file__).parents[2] / "deploy" / "guard"
GATEPASS = str(Path(sys.executable).with_name("gatepass"))
_COMMANDS = {
    "nginx": lambda found, folder: [found, "-p", folder, "-c", f"{folder}/nginx.conf", "-g", "daemon off;"],
    "caddy": lambda found, folder: [found, "run", "--adapter", "caddyfile", "--config", f"{folder}/Caddyfile"],
    "haproxy": lambda found, folder: [found, "-db", "-f", f"{folder}/haproxy.cfg"],
}
PROXIES = tuple(_COMMANDS)
_FILES = {"nginx": "nginx.conf", "caddy": "Caddyfile", "haproxy": "haproxy.cfg"}


@contextmanager
def guard(issuer: str, audience: str, *words: str, port: int = 0) -> Generator[str]:
    """Run it; gives where it says that it listens: a URL, or the path of a socket."""
    command = [GATEPASS, "guard", "--issuer", issuer, "--audience", audience, "--port", str(port), *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = next(line for line in process.stderr if "listens on" in line)
        yield said.rpartition(" ")[2].strip()
    finally:
        process.terminate()
        process.communicate(timeout=30)


@contextmanager
def proxy(name: str, folder: Path, *, guard: str, upstream: int) -> Generator[str]:
    """Run a proxy with its sample configuration, but for the addresses; gives its URL. Skips where it is not."""
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        pytest.skip(f"this needs Debian's {name}, which is not here")
    port = free_port()
    folder.mkdir()
    shutil.copytree(SAMPLES, folder, dirs_exist_ok=True)
    text = (folder / _FILES[name]).read_text()
    text = text.replace("127.0.0.1:8081", guard.removeprefix("http://")).replace(
        "127.0.0.1:9000", f"127.0.0.1:{upstream}"
    )
    text = text.replace("listen 8080", f"listen 127.0.0.1:{port}").replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    text = text.replace("\n:8080 {", f"\nhttp://127.0.0.1:{port} {{").replace("lua-load ", f"lua-load {folder}/")
    if name == "nginx":
        paths = "".join(
            f"{each}_temp_path {folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = f"pid {folder}/pid;\nerror_log {folder}/log;\n" + text.replace(
            "http {", "http {access_log off;" + paths, 1
        )
    if name == "caddy":
        text = "{\n\tadmin off\n}\n" + text
    (folder / _FILES[name]).write_text(text)
    with (folder / "said").open("w") as said:
        environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        command = _COMMANDS[name](found, str(folder))
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment, cwd=folder)
        try:
            eventually(lambda: _is_up(process, port, folder))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _is_up(process: subprocess.Popen[bytes], port: int, folder: Path) -> bool:
    assert process.poll() is None, (folder / "said").read_text()
    try:
        httpx.get(f"http://127.0.0.1:{port}/")
    except httpx.TransportError:
        return False
    return True


@dataclass
class Echo:
    """An application that says what it was sent."""

    port: int
    asked: list[str] = field(default_factory=list[str])


@contextmanager
def wsgi_echo() -> Generator[Echo]:
    """As applications of WSGI see it: `X-Auth-Subject` and `X_Auth_Subject` are one name there."""
    echo = Echo(0)

    def app(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        echo.asked.append(environ["PATH_INFO"])
        told = {name.removeprefix("HTTP_X_AUTH_"): value for name, value in environ.items() if "X_AUTH" in name}
        start("200 OK", [("content-type", "application/json")])
        return [json.dumps(told).encode()]

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        echo.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield echo
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def asgi_echo() -> Generator[Echo]:
    """As applications of ASGI see it: headers by their own names, each as often as it was sent."""
    echo = Echo(free_port())

    async def app(scope: dict[str, Any], receive: object, send: Any) -> None:  # noqa: ANN401 - ASGI
        echo.asked.append(scope["path"])
        told: dict[str, str] = {}
        for name, value in scope["headers"]:
            if b"x-auth" in (plain := name.lower().replace(b"_", b"-")):
                key = plain.removeprefix(b"x-auth-").replace(b"-", b"_").decode().upper()
                told[key] = ",".join(filter(None, (told.get(key), value.decode())))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})

    server = uvicorn.Server(uvicorn.Config(app, port=echo.port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started)
        yield echo
    finally:
        server.should_exit = True
        thread.join()
