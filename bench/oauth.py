"""OAuth calls beside those of npm's oidc-provider: one core each, the same driver, the same kind of database, in turns.

Both keep everything in SQLite, and every write is durable. Both are driven over HTTP as their own discovery documents
say: somebody who is signed in and has agreed before comes back with a code, a client redeems it, pushes a request, and
reads UserInfo. Every answer is looked at. With `--write` the figures go to docs/reference/oauth-speed.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import html
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from _load import CONNECTIONS, PERSON, end, gatepass, listening, pinned
from gatepass.jose import KeySet, base64url, jwt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

PEER = {"oidc-provider": "9.13.3", "better-sqlite3": "12.11.1"}
ROUNDS = int(os.environ.get("ROUNDS", "5"))
REQUESTS = int(os.environ.get("REQUESTS", "800"))
WARM_UPS = 2
"""Rounds of each call before those that count: the other's compiler needs them, and so do caches."""
CALLBACK = "https://app.example.test/cb"
API = "https://api.example.test"
"""What the access tokens are for. Both sign them by ES256."""
VERIFIER = "v" * 43
CLIENTS = {"ES256": "ES256", "RS256": "RS256", "refreshing": "ES256"}
"""The algorithm of each client's ID tokens. The last one gets refresh tokens too."""
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_LOCATION = re.compile(rb"location: *([^\r]*)", re.IGNORECASE)
HERE = Path(__file__).parent
REFERENCE = HERE.parent / "docs" / "reference"


class Answer(NamedTuple):
    """What a server said."""

    status: int
    location: str
    body: bytes

    @classmethod
    def of(cls, received: bytes) -> Answer:
        """Read it."""
        head, _, body = received.partition(b"\r\n\r\n")
        location = _LOCATION.search(head)
        return cls(int(head[9:12]), location[1].decode() if location else "", body)


class Round(NamedTuple):
    """What one round of a call found: answers a second, and the microseconds of processor that one cost the server."""

    per_second: float
    cpu_us: float


@dataclass(frozen=True)
class Provider:
    """A running server, and what a browser and each of `CLIENTS` have of it."""

    url: str
    pid: int
    credentials: dict[str, dict[str, str]]
    cookie: str = ""
    access_token: str = ""
    endpoints: dict[str, str] = field(default_factory=dict)

    def path(self, endpoint: str) -> str:
        """Where an endpoint is."""
        return urlsplit(self.endpoints[endpoint]).path

    def cpu_seconds(self) -> float:
        """The processor time that the server has used, with all of its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def request(self, client: str) -> dict[str, str]:
        """An authorization request."""
        return {
            "response_type": "code",
            "client_id": self.credentials[client]["client_id"],
            "redirect_uri": CALLBACK,
            "scope": "openid email",
            "state": "s-1",
            "nonce": "n-1",
            "code_challenge": base64url.encode(hashlib.sha256(VERIFIER.encode()).digest()),
            "code_challenge_method": "S256",
        }

    def get(self, target: str, **headers: str) -> bytes:
        """A request, as it goes over the wire."""
        lines = [f"GET {target} HTTP/1.1", f"Host: {urlsplit(self.url).netloc}", "Accept: */*"]
        return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()

    def post(self, target: str, form: dict[str, str]) -> bytes:
        """A form, as it goes over the wire."""
        body = urlencode(form)
        lines = [f"POST {target} HTTP/1.1", f"Host: {urlsplit(self.url).netloc}", "Accept: */*"]
        lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", body]).encode()


# ── the driver ──


class Connection(asyncio.Protocol):
    """A connection that stays open and sends the next request as soon as the last one is answered."""

    def __init__(self, waiting: Iterator[bytes], answers: list[bytes]) -> None:
        self._waiting, self._answers = waiting, answers
        self._received = b""
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own, which is registered as none
        self._send()

    def data_received(self, data: bytes) -> None:
        """Keep an answer that is there whole; nobody looks at it as long as the clock runs."""
        self._received += data
        head, is_whole, body = self._received.partition(b"\r\n\r\n")
        if is_whole and len(body) == int(_LENGTH.search(head)[1]):  # type: ignore[index] # neither sends chunks
            self._answers.append(self._received)
            self._received = b""
            self._send()

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell the driver, which counts the answers."""
        if not self.closed.done():
            self.closed.set_result(None)

    def _send(self) -> None:
        request = next(self._waiting, None)
        if request is None:
            self._transport.close()
        else:
            self._transport.write(request)


def drive(provider: Provider, requests: list[bytes]) -> list[bytes]:
    """Send each of them once; the answers in no order."""
    waiting, answers = iter(requests), list[bytes]()

    async def run() -> None:
        loop, port = asyncio.get_running_loop(), urlsplit(provider.url).port or 80
        made = [
            await loop.create_connection(lambda: Connection(waiting, answers), "127.0.0.1", port)
            for _ in range(CONNECTIONS)
        ]
        await asyncio.gather(*(connection.closed for _, connection in made))

    uvloop.run(run())
    assert len(answers) == len(requests), f"{len(requests) - len(answers)} requests were not answered"
    return answers


def timed(provider: Provider, call: Call, count: int) -> Round:
    """Make a call so many times, and look at every answer when the clock has stopped."""
    requests = call.requests(provider, count)
    cpu, begin = provider.cpu_seconds(), time.perf_counter()
    answers = drive(provider, requests)
    seconds, cpu = time.perf_counter() - begin, provider.cpu_seconds() - cpu
    found = {call.check(provider, Answer.of(answer)) for answer in answers}
    assert len(found) == (count if call.is_new else 1), call.name
    return Round(count / seconds, cpu / count * 1e6)


# ── the calls ──


class Call(NamedTuple):
    """A call: how to make many of it, what is right about an answer, and how much less it should cost us."""

    name: str
    bar: float
    requests: Callable[[Provider, int], list[bytes]]
    check: Callable[[Provider, Answer], str]
    is_new: bool = True
    """Whether each answer says something else than the others."""


def authorizations(provider: Provider, count: int, client: str = "ES256", **resource: str) -> list[bytes]:
    """From somebody who is signed in and has agreed before."""
    target = f"{provider.path('authorization_endpoint')}?{urlencode(provider.request(client) | resource)}"
    return [provider.get(target, Cookie=provider.cookie)] * count


def code_in(provider: Provider, answer: Answer) -> str:
    """The code of an answer."""
    given = parse_qs(urlsplit(answer.location).query)
    assert answer.status == 303, answer
    assert answer.location.startswith(f"{CALLBACK}?"), answer
    assert given["state"] == ["s-1"], answer
    assert given["iss"] == [provider.endpoints["issuer"]], answer
    return given["code"][0]


def redemption(provider: Provider, client: str, code: str, **resource: str) -> bytes:
    """The exchange of a code."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return provider.post(provider.path("token_endpoint"), form | resource | provider.credentials[client])


def redemptions(client: str) -> Callable[[Provider, int], list[bytes]]:
    """Of codes that are made now, before the clock starts."""

    def made(provider: Provider, count: int) -> list[bytes]:
        codes = [
            code_in(provider, Answer.of(answer))
            for answer in drive(provider, authorizations(provider, count, client, resource=API))
        ]
        return [redemption(provider, client, code, resource=API) for code in codes]

    return made


def tokens_in(client: str) -> Callable[[Provider, Answer], str]:
    """The access token of an answer, with an ID token of the client's algorithm."""

    def check(_provider: Provider, answer: Answer) -> str:
        assert answer.status == 200, answer
        tokens = json.loads(answer.body)
        seen = jwt.peek(tokens["id_token"])
        assert (seen.headers["alg"], seen.claims["nonce"]) == (CLIENTS[client], "n-1"), answer
        for_api = jwt.peek(tokens["access_token"])
        assert (for_api.headers["alg"], for_api.headers["typ"]) == ("ES256", "at+jwt"), answer
        assert for_api.claims["aud"] in (API, [API]), answer
        assert ("refresh_token" in tokens) is (client == "refreshing"), answer
        return str(tokens["access_token"])

    return check


def pushes(provider: Provider, count: int) -> list[bytes]:
    """The same authorization request, pushed."""
    form = provider.request("ES256") | provider.credentials["ES256"]
    return [provider.post(provider.path("pushed_authorization_request_endpoint"), form)] * count


def name_in(_provider: Provider, answer: Answer) -> str:
    """The name of a pushed request."""
    assert answer.status == 201, answer
    name = json.loads(answer.body)["request_uri"]
    assert name.startswith("urn:ietf:params:oauth:request_uri:"), answer
    return str(name)


def looks(provider: Provider, count: int) -> list[bytes]:
    """UserInfo, by the access token of one sign-in."""
    return [provider.get(provider.path("userinfo_endpoint"), Authorization=f"Bearer {provider.access_token}")] * count


def person_in(_provider: Provider, answer: Answer) -> str:
    """Who it is about."""
    assert answer.status == 200, answer
    told = json.loads(answer.body)
    assert told["email"] == PERSON["email"], answer
    assert told["email_verified"] is False, answer
    return str(told["sub"])


CALLS = (
    Call("authorize, signed in and agreed before", 2, authorizations, code_in),
    Call("code for tokens, ES256 ID token", 2, redemptions("ES256"), tokens_in("ES256")),
    Call("the same, with a refresh token", 2, redemptions("refreshing"), tokens_in("refreshing")),
    Call("code for tokens, RS256 ID token", 1.2, redemptions("RS256"), tokens_in("RS256")),
    Call("push a request (PAR)", 2, pushes, name_in),
    Call("UserInfo", 2, looks, person_in, is_new=False),
)


# ── the servers ──


def form_of(page: str) -> tuple[str, list[tuple[str, str]]]:
    """Where the first form of a page goes, and its fields as they are filled in."""
    form = page.partition("<form")[2].partition("</form>")[0]
    fields = [dict(re.findall(r'([\w-]+)="([^"]*)"', tag)) for tag in re.findall(r"<input([^>]*)>", form)]
    action = html.unescape(re.search(r'action="([^"]*)"', form)[1])  # type: ignore[index] # every form has one
    return action, [(each["name"], html.unescape(each.get("value", ""))) for each in fields]


def signed_in(provider: Provider, browser: httpx.Client) -> Provider:
    """Agree to each client's request, so that the next is answered at once; then sign in once for UserInfo."""
    endpoints = browser.get("/.well-known/openid-configuration").raise_for_status().json()
    provider = Provider(provider.url, provider.pid, provider.credentials, endpoints=endpoints)
    requests = [provider.request(client) | resource for client in CLIENTS for resource in ({"resource": API}, {})]
    for asked in requests:
        answer = browser.get(provider.path("authorization_endpoint"), params=asked)
        while not answer.headers.get("location", "").startswith(CALLBACK):
            if answer.has_redirect_location:
                answer = browser.get(answer.headers["location"])
            else:
                action, fields = form_of(answer.raise_for_status().text)
                form = httpx.QueryParams([*fields, ("decision", "allow")])
                sent = {"origin": provider.url, "content-type": "application/x-www-form-urlencoded"}
                answer = browser.post(action, content=str(form), headers=sent)
    cookie = "; ".join(f"{each.name}={each.value}" for each in browser.cookies.jar if each.path == "/")
    provider = Provider(provider.url, provider.pid, provider.credentials, cookie, endpoints=endpoints)
    tokens: dict[str, str] = {}
    for client in CLIENTS:
        (answered,) = drive(provider, authorizations(provider, 1, client))
        # Without a resource: UserInfo takes no token that is for an API.
        (redeemed,) = drive(provider, [redemption(provider, client, code_in(provider, Answer.of(answered)))])
        tokens = json.loads(Answer.of(redeemed).body)
        keys = KeySet.from_jwks(browser.get(urlsplit(endpoints["jwks_uri"]).path).content)
        client_id = provider.credentials[client]["client_id"]
        jwt.verify(tokens["id_token"], keys, issuer=endpoints["issuer"], audience=client_id, typ=None, now=time.time())
    return Provider(provider.url, provider.pid, provider.credentials, cookie, tokens["access_token"], endpoints)


@contextlib.contextmanager
def ours(folder: Path) -> Generator[Provider]:
    """Run Gatepass with its usual settings."""
    with gatepass(folder) as server, httpx.Client(base_url=server.url, timeout=30) as browser:
        options = ["--grant", "authorization_code", "--redirect-uri", CALLBACK, "--scope", "openid", "--scope", "email"]
        options += ["--audience", API, "--audience", server.url]
        credentials = {}
        for client, alg in CLIENTS.items():
            refresh = [] if client == "refreshing" else ["--no-refresh"]
            client_id, secret = server.register(*options, *refresh, "--id-token-alg", alg)
            credentials[client] = {"client_id": client_id, "client_secret": secret}
        browser.post("/signup", json=PERSON).raise_for_status()
        browser.post("/login", json=PERSON | {"cookie": True}, headers={"origin": server.url}).raise_for_status()
        yield signed_in(Provider(server.url, server.pid, credentials), browser)


@contextlib.contextmanager
def theirs(folder: Path) -> Generator[Provider]:
    """Install oidc-provider and run it."""
    packages = [f"{name}@{version}" for name, version in PEER.items()]
    subprocess.run(["npm", "install", "--prefix", str(folder), *packages], check=True, capture_output=True)
    shutil.copy(HERE / "_oidc_provider.mjs", folder / "server.mjs")
    made: dict[str, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey] = {
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "RS256": rsa.generate_private_key(65_537, 2_048),
    }
    for alg, key in made.items():
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{alg}.pem").write_bytes(pem)
    credentials = {name: {"client_id": name, "client_secret": f"a long enough secret, {name}"} for name in CLIENTS}
    (folder / "world.json").write_text(
        json.dumps(
            {
                "person": {"id": "usr_1", "email": PERSON["email"]},
                "clients": [
                    {
                        **credentials[client],
                        "redirect_uris": [CALLBACK],
                        "grant_types": ["authorization_code", *(["refresh_token"] if client == "refreshing" else [])],
                        "token_endpoint_auth_method": "client_secret_post",
                        "id_token_signed_response_alg": alg,
                    }
                    for client, alg in CLIENTS.items()
                ],
            }
        )
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {"PORT": str(port), "FOLDER": str(folder), "NODE_ENV": "production"}
    process = pinned(0, ["node", str(folder / "server.mjs")], environment)
    try:
        url = listening(process)
        with httpx.Client(base_url=url, timeout=30) as browser:
            yield signed_in(Provider(url, process.pid, credentials), browser)
    finally:
        end(process)


# ── the table ──


class Row(NamedTuple):
    """The rounds of a call at both, as they were made in turn."""

    call: Call
    ours: list[Round]
    theirs: list[Round]

    def ratio(self, at: Callable[[Round], float]) -> list[float]:
        """Theirs over ours, of each two rounds that followed each other."""
        return [at(their) / at(our) for our, their in zip(self.ours, self.theirs, strict=True)]

    def line(self) -> str:
        """One line of the table."""
        rates = [f"{statistics.median(each.per_second for each in side):,.0f}/s" for side in (self.ours, self.theirs)]
        costs = [f"{statistics.median(each.cpu_us for each in side):,.0f} µs" for side in (self.ours, self.theirs)]
        faster = [1 / each for each in self.ratio(lambda each: each.per_second)]
        cells = (self.call.name, *rates, _spread(faster), *costs, _spread(self.ratio(lambda each: each.cpu_us)))
        return f"| {' | '.join(cells)} |"


def _spread(values: list[float]) -> str:
    return f"**{statistics.median(values):.2f}** ({min(values):.2f} to {max(values):.2f})"


def measure(folder: Path) -> list[Row]:
    """Measure every call, one server after the other in each round."""
    (folder / "ours").mkdir()
    (folder / "theirs").mkdir()
    rows = []
    with ours(folder / "ours") as our, theirs(folder / "theirs") as their:
        for call in CALLS:
            for provider in (our, their) * WARM_UPS:
                timed(provider, call, REQUESTS)
            rounds = [(timed(our, call, REQUESTS), timed(their, call, REQUESTS)) for _ in range(ROUNDS)]
            rows.append(Row(call, *map(list, zip(*rounds, strict=True))))
            print(rows[-1].line(), flush=True)
    return rows


def interpreter() -> str:
    """The version of Python, and how it was linked, which is a sixth of the speed: distributions link it whole."""
    is_shared = "libpython" in Path("/proc/self/maps").read_text()
    return f"{platform.python_version()} ({'a shared library' if is_shared else 'linked whole'})"


PAGE = """<!-- Written by `python bench/oauth.py --write`; change it there. -->

# Speed of the OAuth calls

Python {python} beside the library oidc-provider {provider} on Node {node}. One core each, SQLite with every write
durable under both (its adapter on better-sqlite3 {sqlite}), the same driver over HTTP on the other core: {connections}
connections that stay open, {rounds} rounds of {requests} requests each, in turns. Every answer is read. The access
tokens of both are for an API and JWTs signed by ES256. UserInfo takes an opaque token there, which is a row. Repeat it
with `make bench ARGS=oauth`.

Ratios are medians over the rounds, with the least and the greatest in brackets: how many times as many answers a second
we give, and how many times as much processor time theirs take. On a machine that does other things too, the second is
the sturdier.

{table}
"""

HEAD = """| call | Gatepass | oidc-provider | times as fast | CPU | theirs | times as cheap |
|---|---:|---:|---:|---:|---:|---:|"""


def main() -> None:
    """Measure, and print a table."""
    for tool in ("node", "npm", "taskset"):
        if not shutil.which(tool):
            sys.exit(f"error: {tool} is missing\nhint: apt-get install nodejs npm util-linux")
    os.sched_setaffinity(0, {1})
    print("\n" + HEAD)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder))
    table = "\n".join((HEAD, *(row.line() for row in rows)))
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if "--write" in sys.argv:
        page = PAGE.format(
            provider=PEER["oidc-provider"],
            sqlite=PEER["better-sqlite3"],
            node=node.removeprefix("v"),
            python=interpreter(),
            connections=CONNECTIONS,
            rounds=ROUNDS,
            requests=REQUESTS,
            table=table,
        )
        (REFERENCE / "oauth-speed.md").write_text(page)


if __name__ == "__main__":
    main()
