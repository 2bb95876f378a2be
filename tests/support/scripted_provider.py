"""An OpenID provider on loopback that does what a test tells it to, lies included; it can also stand in for GitHub."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlsplit

from gatepass.jose import Key, KeySet, jwt

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENT_ID = "gatepass"
CLIENT_SECRET = "a secret: + & of 32 octets or more"
ANN_THERE = {"sub": "1001", "email": "ann@example.test", "email_verified": True}


class ScriptedProvider:
    """The provider.

    Attributes:
        url: Its issuer.
        keys: What its JWKS publishes; the first one signs.
        person: The claims of whoever signs in.
        lies: Claims that its ID tokens have instead; None leaves one out.
        metadata: Members of its metadata that are other than usual.
        answers: path -> what to answer in place of the usual.
        requests: Method and path of every request.
        asked: The parameters of every request that brought somebody here.
        forms: Every form that was sent to the token endpoint.
        headers: The headers that came with them.
        now: The time, as its ID tokens have it.
    """

    def __init__(self) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.serve(self, "")

            def do_POST(self) -> None:
                provider.serve(self, self.rfile.read(int(self.headers["content-length"])).decode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://localhost:{self._server.server_address[1]}"
        self.keys = [Key.generate("ES256")]
        self.person: dict[str, Any] = dict(ANN_THERE)
        self.lies: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.requests: list[str] = []
        self.asked: list[dict[str, str]] = []
        self.forms: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.now: Callable[[], float] = time.time
        self.released = threading.Event()
        self._codes: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def settings(self, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any setting
        """What a server is told of it."""
        return {"issuer": self.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **more}

    # ── what a person does there ──

    def authorize(self, url: str, **changes: str) -> dict[str, str]:
        """Sign somebody in who was sent to this URL: the parameters of the answer, with some of them changed."""
        asked = dict(parse_qsl(urlsplit(url).query))
        code = os.urandom(8).hex()
        self._codes[code] = asked
        self.asked.append(asked)
        return {"code": code, "state": asked["state"], "iss": self.url, **changes}

    def id_token(self, **changes: Any) -> str:  # noqa: ANN401 - any claim
        """Make an ID token, with some of its claims changed; None leaves one out."""
        key, now = self.keys[0], int(self.now())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 600, **self.person}
        claims |= self.lies | changes
        return jwt.sign({name: value for name, value in claims.items() if value is not None}, key)

    # ── what the server asks it ──

    def serve(self, handler: BaseHTTPRequestHandler, body: str) -> None:
        """Answer."""
        path = handler.path.partition("?")[0]
        self.requests.append(f"{handler.command} {path}")
        if path in self.answers:
            self.answers[path](handler)
            return
        match path:
            case "/.well-known/openid-configuration":
                say(handler, self._metadata())
            case "/jwks":
                say(handler, KeySet(self.keys).to_jwks())
            case "/token" | "/login/oauth/access_token":
                self.forms.append(form := {name: values[0] for name, values in parse_qs(body).items()})
                self.headers.append({name.lower(): value for name, value in handler.headers.items()})
                status, answer = self._trade(form, handler.headers.get("authorization", ""))
                say(handler, answer, status)
            case "/userinfo":
                say(handler, {"sub": self.person["sub"]})
            case _:
                say(handler, {}, 404)

    def _metadata(self) -> dict[str, Any]:
        usual = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            "authorization_response_iss_parameter_supported": True,
        }
        return {name: value for name, value in (usual | self.metadata).items() if value is not None}

    def _trade(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """RFC 6749 §4.1.3 and RFC 7636 §4.6: a code is good once, for who asked for it and has the verifier."""
        client = (form.get("client_id", ""), form.get("client_secret", ""))
        if authorization:
            name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            client = (unquote_plus(name), unquote_plus(secret))
        if client[0] != CLIENT_ID or (client[1] != CLIENT_SECRET and client[1].count(".") != 2):
            return 401, {"error": "invalid_client"}
        asked = self._codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            asked is None
            or form["redirect_uri"] != asked["redirect_uri"]
            or asked["code_challenge"] != challenge.decode().rstrip("=")
        ):
            return 400, {"error": "invalid_grant"}
        nonce = {"nonce": asked["nonce"]} if "nonce" in asked else {}
        token = self.id_token(**(nonce | {name: value for name, value in self.lies.items() if name == "nonce"}))
        return 200, {"access_token": "opaque", "token_type": "Bearer", "id_token": token}


def say(handler: BaseHTTPRequestHandler, answer: object, status: int = 200) -> None:
    """Answer with JSON."""
    body = json.dumps(answer).encode()
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
