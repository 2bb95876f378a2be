"""`gatepass bridge` in a thread or as its own process, and an issuer that has no feed but sends notices."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from tests.support.ports import free_port
from tests.support.scripted_issuer import NOW, Clock, ScriptedIssuer

from gatepass.bridge.serving import serve
from gatepass.bridge.settings import BridgeSettings, TransmitterSettings
from gatepass.jose import JoseError, jwt
from gatepass.jose.limits import Limits
from gatepass.tokens import revocation_snapshot
from gatepass.tokens.bridge_entry import FeedSecret
from gatepass.tokens.logout_token import EVENT
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from gatepass.jose import Key

GATEPASS = str(Path(sys.executable).with_name("gatepass"))
SECRET = "a-secret-of-the-feed-that-is-long-enough"
BEARER = "what-the-transmitter-sends"
RECEIVER = "https://bridge.example.com"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"


@dataclass(frozen=True)
class RunningBridge:
    """A bridge, and who talks to it."""

    url: str
    folder: Path
    secret: FeedSecret

    def notify(self, name: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - of httpx
        """Send a notice."""
        return httpx.post(f"{self.url}/notices/{name}", timeout=20, **request)

    def log_out(self, token: str, name: str = "logout") -> httpx.Response:
        """Send a logout token (OpenID Connect Back-Channel Logout §2.5)."""
        return self.notify(name, data={"logout_token": token})

    def push(self, token: str, name: str = "push", bearer: str = BEARER) -> httpx.Response:
        """Send a security event token (RFC 8935 §2.1)."""
        headers = {"Content-Type": "application/secevent+jwt", "Authorization": f"Bearer {bearer}"}
        return self.notify(name, content=token, headers=headers)

    def revoke(self, sub_id: object, name: str = "global", bearer: str = BEARER) -> httpx.Response:
        """Ask for global revocation."""
        return self.notify(name, json={"sub_id": sub_id}, headers={"Authorization": f"Bearer {bearer}"})

    def read(self, path: str, bearer: str | None = None) -> httpx.Response:
        """Read what is for readers."""
        given = self.secret.bearer if bearer is None else bearer
        return httpx.get(self.url + path, headers={"Authorization": f"Bearer {given}"})

    def entries(self) -> dict[str, list[int]]:
        """What the snapshot revokes."""
        snapshot = jwt.peek(
            self.read("/revocations/snapshot").text, limits=Limits(token_length=revocation_snapshot.MAX_LENGTH)
        )
        found: dict[str, list[int]] = snapshot.claims.get("issued_before", {})
        return found

    def counts(self, name: str) -> dict[str, int]:
        """What became of a transmitter's notices."""
        found: dict[str, int] = self.read("/status").json()["transmitters"][name]
        return found

    def arguments(self) -> dict[str, Any]:
        """What a verifier is told of it."""
        return {"feed_url": f"{self.url}/revocations", "feed_issuer": self.url, "feed_secret": SECRET}


def transmitters(issuer: str, folder: Path, **more: Any) -> tuple[TransmitterSettings, ...]:  # noqa: ANN401 - settings
    """One of each kind that sends notices by itself, all of them of one issuer."""
    bearer = folder / "bearer"
    bearer.write_text(BEARER)
    common: dict[str, Any] = {"issuer": issuer, **more}
    return (
        TransmitterSettings(name="logout", kind="backchannel-logout", audience="app", **common),
        TransmitterSettings(name="push", kind="ssf-push", audience=RECEIVER, token_file=str(bearer), **common),
        TransmitterSettings(name="global", kind="global-revocation", token_file=str(bearer), **common),
    )


@contextmanager
def running_bridge(
    folder: Path,
    *transmitters: TransmitterSettings,
    clock: Callable[[], float],
    port: int = 0,
    **settings: Any,  # noqa: ANN401 - BridgeSettings'
) -> Generator[RunningBridge]:
    """Run one in a thread."""
    scheme = "https" if "tls_cert" in settings else "http"
    url = f"{scheme}://127.0.0.1:{port or free_port()}"
    made = BridgeSettings(
        issuer=url,
        data_dir=str(folder / "bridge"),
        transmitters=transmitters,
        port=int(url.rpartition(":")[2]),
        **settings,
    )
    made.check()
    ready, loops, stop = threading.Event(), list[asyncio.AbstractEventLoop](), asyncio.Event()
    secret = FeedSecret(SECRET)

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        await serve(made, secret, on_ready=lambda _: ready.set(), clock=clock, stop=stop)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    try:
        assert ready.wait(10)
        yield RunningBridge(url, folder, secret)
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(10)


@contextmanager
def bridge_process(config: Path) -> Generator[subprocess.Popen[str]]:
    """Run one as its own process; it listens when this gives it."""
    process = subprocess.Popen([GATEPASS, "bridge", "--config", str(config)], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert any("listens on" in line for line in process.stderr)
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


class ForeignIssuer(ScriptedIssuer):
    """An issuer that publishes no revocations, and makes tokens and notices."""

    def access(self, key: Key | None = None, **changes: object) -> str:
        """Make an access token of a sign-in."""
        claims: dict[str, Any] = {"sid": "sign-in-1", **changes}
        return self.token(key, **claims)

    def logout_token(self, key: Key | None = None, typ: str | None = "logout+jwt", **changes: object) -> str:
        """Make a logout token, with some claims changed; None takes a claim away."""
        claims: dict[str, object] = {
            "iss": self.url,
            "aud": "app",
            "iat": int(self.clock()),
            "exp": int(self.clock()) + 120,
            "jti": f"notice-{len(self.made)}",
            "sid": "sign-in-1",
            "sub": "user_1",
            "events": {EVENT: {}},
        }
        return self._notice(claims | changes, key, typ)

    def event(  # type: ignore[override] # of a feed, which this issuer has not
        self,
        event: str,
        sub_id: object,
        payload: Mapping[str, object] | None = None,
        key: Key | None = None,
        typ: str | None = "secevent+jwt",
        **changes: object,
    ) -> str:
        """Make a security event token about one event, with some claims changed."""
        claims: dict[str, object] = {
            "iss": self.url,
            "aud": RECEIVER,
            "iat": int(self.clock()),
            "jti": f"notice-{len(self.made)}",
            "sub_id": sub_id,
            "events": {event: payload or {}},
        }
        return self._notice(claims | changes, key, typ)

    def __init__(self, *, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self.made: list[str] = []

    def _notice(self, claims: dict[str, object], key: Key | None, typ: str | None) -> str:
        given = {name: value for name, value in claims.items() if value is not None}
        self.made.append(jwt.sign(given, key or self.keys[0], typ=typ))
        return self.made[-1]

    def person(self, sub: str = "user_1") -> dict[str, str]:
        """Name a subject (RFC 9493 §3.2.3)."""
        return {"format": "iss_sub", "iss": self.url, "sub": sub}


def judged(verifier: Verifier, token: str) -> str:
    """What becomes of a token: the error's code, or `good`."""
    try:
        verifier.verify(token)
    except JoseError as error:
        return error.code
    return "good"


class Bridged:
    """A foreign issuer, a bridge and a verifier that follows it, all by one clock."""

    def __init__(self, folder: Path, stack: ExitStack, **more: Any) -> None:  # noqa: ANN401 - of transmitters
        self.clock = Clock()
        self.issuer = stack.enter_context(ForeignIssuer(clock=self.clock))
        made = transmitters(self.issuer.url, folder, **more)
        self.bridge = stack.enter_context(running_bridge(folder, *made, clock=self.clock))
        self.verifier = stack.enter_context(
            Verifier(issuer=self.issuer.url, audience="my-api", clock=self.clock, **self.bridge.arguments())
        )
        assert self.judge(self.issuer.access()) == "good"

    def judge(self, token: str) -> str:
        """What becomes of a token at the verifier."""
        return judged(self.verifier, token)


@contextmanager
def bridged(folder: Path, **more: Any) -> Generator[Bridged]:  # noqa: ANN401 - of transmitters
    """Start all three."""
    with ExitStack() as stack:
        yield Bridged(folder, stack, **more)


LATER = int(NOW) + 5
"""A time after everything that tests begin with."""
