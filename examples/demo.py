"""The whole road of JWT authentication, walked by a program: `make demo`.

It starts a server with an empty database and the sample API beside it, and prints every request and answer on the way.
Each answer is compared with what it should be; the first that differs ends the walk with status 1.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import httpx
from rich.console import Console
from rich.text import Text

from gatepass.jose import KeySet, jwt

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLES = Path(__file__).parent
BIN = Path(sys.executable).parent
PATIENCE = 30.0
HEADER, PAYLOAD, SIGNATURE = "bright_red", "bright_magenta", "bright_cyan"

LONG_WORD = re.compile(r"([\w-]{24})[\w.-]{16,}")
"""What is so long is a token or a key."""

console = Console(highlight=False, markup=False, soft_wrap=True)


class DiffersError(Exception):
    """A step did not go as it should."""


def expect(what: str, *, holds: bool) -> None:
    """Go on if it holds."""
    if not holds:
        raise DiffersError(f"expected: {what}")
    console.print(f"  ✓ {what}", style="green")


# ── two programs ────────────────────────────────────────────────────────────────────────────────────────────────────


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass
class Program:
    """A server that runs beside this program."""

    command: tuple[str, ...]
    url: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        console.print("$", Path(self.command[0]).name, *self.command[1:], style="dim")
        self.process = subprocess.Popen(
            [BIN / self.command[0], *self.command[1:]], env=os.environ | self.environment, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                httpx.get(self.url)
            except httpx.TransportError:
                time.sleep(0.02)
            else:
                return
        raise DiffersError(f"{self.command[0]} did not start")

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        if self.process is None:
            return 0
        self.process.terminate()
        return self.process.wait(PATIENCE)


# ── what is shown ───────────────────────────────────────────────────────────────────────────────────────────────────


def shortened(value: object) -> object:
    """Return JSON with passwords left out, and tokens and keys cut short."""
    if isinstance(value, dict):
        return {name: "…" if name == "password" else shortened(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shortened(member) for member in value]
    return LONG_WORD.sub(r"\1…", value) if isinstance(value, str) else value


def as_json(value: object) -> str:
    """Return JSON on one line, to be shown."""
    return json.dumps(shortened(value), ensure_ascii=False)


def show_token(token: str) -> None:
    """Print a token and what is in it, header, payload and signature in a colour each."""
    parts = token.split(".")
    colours = (HEADER, PAYLOAD, SIGNATURE)
    console.print(Text(".").join(Text(part, colour) for part, colour in zip(parts, colours, strict=True)))
    seen = jwt.peek(token)
    console.print(json.dumps(seen.headers, indent=2), style=HEADER)
    console.print(json.dumps(seen.claims, indent=2), style=PAYLOAD)
    console.print(f"signature, {len(parts[2]) * 3 // 4} bytes", style=SIGNATURE)


# ── the road ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Road:
    """What somebody carries along it."""

    server: Program
    api: Program
    data: Path
    http: httpx.Client
    credentials: dict[str, str]
    token: str = ""
    refresh_token: str = ""

    def call(  # noqa: PLR0913 - a request has many parts
        self,
        method: str,
        url: str,
        status: int,
        *,
        body: object = None,
        token: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request, print it and its answer, and insist on the status."""
        sent = dict(headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        console.print(f"→ {method} {url}", "" if body is None else as_json(body), style="bold")
        for name, value in sent.items():
            console.print(f"  {name}: {shortened(value)}", style="dim")
        answer = self.http.request(method, url, json=body, headers=sent)
        console.print(f"← {answer.status_code} {answer.reason_phrase}", style="bold")
        for name in ("www-authenticate", "set-cookie"):
            if name in answer.headers:
                console.print(f"  {name}: {shortened(answer.headers[name])}", style="dim")
        if "json" in answer.headers.get("content-type", ""):
            console.print(f"  {as_json(answer.json())}", style="dim")
        if answer.status_code != status:
            raise DiffersError(f"expected status {status}, got {answer.status_code}: {answer.text[:500]}")
        return answer

    def keep(self, answer: httpx.Response) -> None:
        """Keep the tokens of an answer, as a client does."""
        self.token, self.refresh_token = answer.json()["token"], answer.json()["refresh_token"]


def sign_up(road: Road) -> None:
    """Ada signs up."""
    url = f"{road.server.url}/signup"
    account = road.call("POST", url, 201, body=road.credentials).json()
    expect("the account is hers", holds=account["email"] == road.credentials["email"])
    taken = road.call("POST", url, 409, body=road.credentials).json()
    expect("an address can be used once", holds=taken["code"] == "email_taken")


def sign_in(road: Road) -> None:
    """She signs in."""
    url = f"{road.server.url}/login"
    wrong = road.call("POST", url, 401, body=road.credentials | {"password": "not her password"}).json()
    unknown = road.call("POST", url, 401, body=road.credentials | {"email": "nobody@example.com"}).json()
    same = all(wrong[name] == unknown[name] for name in ("code", "title", "detail"))
    expect("a wrong password and an unknown address get the same answer", holds=same)
    answer = road.call("POST", url, 200, body=road.credentials)
    expect("nobody may cache tokens", holds=answer.headers["cache-control"] == "no-store")
    road.keep(answer)


def look_at_the_token(road: Road) -> None:
    """What is in the access token."""
    show_token(road.token)
    metadata = road.call("GET", f"{road.server.url}/.well-known/oauth-authorization-server", 200).json()
    keys = KeySet.from_jwks(road.call("GET", metadata["jwks_uri"], 200).json())
    claims = jwt.verify(road.token, keys, issuer=road.server.url, audience="sample-api", typ="at+jwt")
    expect("the server's published key verifies it, for this API", holds=True)
    expect("it lives for fifteen minutes", holds=claims["exp"] - claims["iat"] == 900)  # noqa: PLR2004


def keep_it_in_a_browser(road: Road) -> None:
    """A browser keeps its refresh token in a cookie."""
    answer = road.call("POST", f"{road.server.url}/login", 200, body=road.credentials | {"cookie": True})
    cookie = answer.headers["set-cookie"]
    expect("the refresh token is not in the body", holds="refresh_token" not in answer.json())
    expect("no script can read it", holds="httponly" in cookie.lower())
    expect("no other site can send it", holds="samesite=strict" in cookie.lower())
    sent = {"Cookie": cookie.partition(";")[0]}
    road.call("POST", f"{road.server.url}/refresh", 403, body={}, headers=sent)
    sent |= {"Gatepass-Request": "1", "Origin": road.server.url}
    road.call("POST", f"{road.server.url}/refresh", 200, body={}, headers=sent)


def call_the_api(road: Road) -> None:
    """She calls the API."""
    road.call("GET", f"{road.api.url}/dashboard", 200, token=road.token)


def be_refused(road: Road) -> None:
    """Everybody else is refused."""
    url = f"{road.api.url}/dashboard"
    answer = road.call("GET", url, 401)
    expect("without a token the challenge is bare", holds=answer.headers["www-authenticate"] == "Bearer")
    header, payload, signature = road.token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    forged = {
        "another signature": f"{header}.{payload}.{'A' * len(signature)}",
        "alg: none": f"{none}.{payload}.",
        "no token at all": "abc",
    }
    for what, token in forged.items():
        answer = road.call("GET", url, 401, token=token)
        expect(f"{what} is refused", holds='error="invalid_token"' in answer.headers["www-authenticate"])
    answer = road.call("GET", f"{road.api.url}/admin", 403, token=road.token)
    expect("she is no administrator", holds='error="insufficient_scope"' in answer.headers["www-authenticate"])


def refresh(road: Road) -> None:
    """The operator makes her an administrator, and she refreshes."""
    command = ["gatepass", "user", "role", road.credentials["email"], "admin", "--data-dir", str(road.data)]
    console.print("$", *command[:-1], "…", style="dim")
    subprocess.run([BIN / command[0], *command[1:]], check=True, stderr=subprocess.DEVNULL)
    road.keep(road.call("POST", f"{road.server.url}/refresh", 200, body={"refresh_token": road.refresh_token}))
    road.call("GET", f"{road.api.url}/admin", 200, token=road.token)


def restart(road: Road) -> None:
    """The server is restarted, and everything is still there."""
    before = road.call("GET", f"{road.server.url}/.well-known/jwks.json", 200).json()
    expect("it stops in good order", holds=road.server.stop() == 0)
    road.call("GET", f"{road.api.url}/dashboard", 200, token=road.token)
    expect("the API does not need the server", holds=True)
    road.server.start()
    after = road.call("GET", f"{road.server.url}/.well-known/jwks.json", 200).json()
    expect("the keys are the same", holds=before == after)
    me = road.call("GET", f"{road.server.url}/me", 200, token=road.token).json()
    expect("so is she, and her role", holds=me["email"] == road.credentials["email"] and me["roles"] == ["admin"])
    road.keep(road.call("POST", f"{road.server.url}/refresh", 200, body={"refresh_token": road.refresh_token}))


def sign_out(road: Road) -> None:
    """She signs out."""
    road.call("POST", f"{road.server.url}/logout", 204, body={"refresh_token": road.refresh_token})
    answer = road.call("POST", f"{road.server.url}/refresh", 401, body={"refresh_token": road.refresh_token})
    expect("her refresh token is dead at once", holds=answer.json()["code"] == "session_ended")


STEPS = (
    sign_up,
    sign_in,
    look_at_the_token,
    keep_it_in_a_browser,
    call_the_api,
    be_refused,
    refresh,
    restart,
    sign_out,
)


def walk(data: Path) -> None:
    """Start both programs, take every step, stop both."""
    server_port, api_port = free_port(), free_port()
    issuer = f"http://localhost:{server_port}"
    server = Program(
        ("gatepass", "serve", "--port", str(server_port), "--audience", "sample-api", "--data-dir", str(data)), issuer
    )
    api = Program(
        (
            "uvicorn",
            "--app-dir",
            str(EXAMPLES),
            "--port",
            str(api_port),
            "--log-level",
            "error",
            "fastapi_api.main:app",
        ),
        f"http://localhost:{api_port}",
        {"GATEPASS_ISSUER": issuer, "GATEPASS_AUDIENCE": "sample-api"},
    )
    credentials = {"email": "ada@example.com", "password": secrets.token_urlsafe(16)}
    with ExitStack() as ends, httpx.Client(timeout=PATIENCE) as http:
        for program in (server, api):
            ends.callback(program.stop)
            program.start()
        road = Road(server, api, data, http, credentials)
        for number, step in enumerate(STEPS, start=1):
            console.print()
            console.rule(f"{number} · {step.__doc__ or step.__name__}", align="left")
            step(road)


def main() -> int:
    """Walk, and return the exit code."""
    started = time.monotonic()
    try:
        with TemporaryDirectory(prefix="gatepass-demo-") as folder:
            walk(Path(folder))
    except DiffersError as error:
        console.print(f"error: {error}", style="bold red")
        return 1
    console.rule(f"the whole road, in {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
