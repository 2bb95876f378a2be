"""Attacks on hooks at URLs: forged questions, answers that say nothing, and what claims may not say."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from tests.attacks.test_claims import OURS
from tests.support.scripted_site import ScriptedSite
from tests.support.server import ANN, SettableClock, running_server

from gatepass.cli.main import main
from gatepass.jose import jwt
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load

if TYPE_CHECKING:
    from collections.abc import Generator
    from http.server import BaseHTTPRequestHandler

    import httpx
    from tests.support.server import RunningServer

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBob29rcywgMzIgYnl0ZXMgbG9uZw=="
YES: dict[str, object] = {"allow": True}
NO_ANSWERS: dict[str, tuple[object, int]] = {
    "nothing": (b"", 200),
    "an empty object": ({}, 200),
    "allow: false": ({"allow": False}, 200),
    "a text for yes": ({"allow": "true"}, 200),
    "yes and no": ({"allow": True, "deny": {"code": "a", "text": "b"}}, 200),
    "no without a text": ({"deny": {"code": "a"}}, 200),
    "no with a code of ours": ({"deny": {"code": "second_factor_required", "text": "Type it here."}}, 200),
    "no with a code that is no code": ({"deny": {"code": "A b", "text": "Text."}}, 200),
    "a member too many": ({"allow": True, "roles": ["admin"]}, 200),
    "a page": (b"<html>", 200),
    "no content": (b"", 204),
    "an error": (YES, 500),
    "a redirect": (YES, 307),
    "a megabyte": ({"allow": True, "x": "x" * 1_000_000}, 200),
    "nesting": (b"[" * 10_000, 200),
}


class Asking(NamedTuple):
    """A server with hooks at URLs, and what answers there."""

    server: RunningServer
    api: httpx.Client
    site: ScriptedSite

    def say(self, path: str, answer: object, status: int = 200) -> None:
        """What the hook at a path says from now on."""
        self.site.put(path, answer, status=status, headers={"location": f"{self.site.url}/elsewhere"})


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Generator[Asking]:
    """A server whose three hooks are at URLs of this machine, as its issuer is."""
    with ScriptedSite() as site:
        settings: dict[str, Any] = {
            "before_signup_url": f"{site.url}/signup",
            "before_login_url": f"{site.url}/login",
            "claims_url": f"{site.url}/claims",
            "hooks_secret": SECRET,
            "signups_per_address": 1_000,
        }
        data = tmp_path_factory.mktemp("asking")
        with running_server(data, SettableClock(), is_awaited=False, **settings) as server, server.client() as api:
            yield Asking(server, api, site)


@pytest.fixture(autouse=True)
def open_doors(asking: Asking) -> None:
    """At the beginning of each test the hooks say yes, and Ann has an account."""
    asking.say("/signup", YES)
    asking.say("/login", YES)
    asking.say("/claims", {"claims": {}})
    asking.site.put("/elsewhere", YES)
    asking.api.post("/signup", json=ANN)


def test_the_question_is_signed_and_complete(asking: Asking) -> None:
    """By Standard Webhooks; it says what a plugin is told, and nothing that would open anything."""
    asking.say("/claims", {"claims": {"tenant": "t1"}})
    pair = asking.api.post("/login", json=ANN).json()
    assert jwt.peek(pair["token"]).claims["tenant"] == "t1"
    login, claims = asking.site.asked[-2:]
    for asked, kind in ((login, "before_login"), (claims, "extra_claims")):
        headers = {name: asked.headers[name] for name in asked.headers if name.startswith("webhook-")}
        message = Webhook(SECRET).verify(asked.body, headers)
        assert message["type"] == kind
        assert message["data"]["email"] == ANN["email"]
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(asked.body.replace(b"ann@", b"eve@"), headers)
    said = json.loads(login.body)["data"]
    assert (said["amr"], said["acr"], said["kind"], said["address"]) == (["pwd"], "1", "browser", "127.0.0.1")
    assert ANN["password"] not in login.body.decode()


def test_a_denial_reaches_the_client(asking: Asking) -> None:
    """With the hook's own code and text."""
    asking.say("/login", {"deny": {"code": "unpaid", "text": "Please pay."}})
    denied = asking.api.post("/login", json=ANN)
    assert (denied.status_code, denied.json()["code"], denied.json()["detail"]) == (403, "unpaid", "Please pay.")
    assert denied.json()["type"] == "urn:gatepass:problem:login_denied"


@pytest.mark.parametrize("path", ["/signup", "/login"])
def test_only_yes_is_yes(asking: Asking, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever else is answered, by mistake or by another server, lets nobody in; `gatepass doctor` tells of it."""
    send = {"/login": ("/login", ANN)}.get(path, ("/signup", ANN | {"email": "new@example.test"}))
    for what, (answer, status) in NO_ANSWERS.items():
        asking.say(path, answer, status)
        refused = asking.api.post(send[0], json=send[1])
        assert (refused.status_code, refused.json()["code"]) == (503, "hook_unavailable"), (what, refused.text)
    assert asking.site.times("/elsewhere") == 0
    main(["doctor", *asking.server.place])
    said = capsys.readouterr().out
    assert "hooks that failed" in said


def test_what_a_hook_may_not_say_makes_no_token(asking: Asking) -> None:
    """Reserved names, other types and sizes, as for a plugin; the session goes on when the hook is right again."""
    pair = asking.api.post("/login", json=ANN).json()
    wrong: dict[str, object] = {name: {"claims": {name: "x"}} for name in OURS}
    wrong |= {
        "a megabyte": {"claims": {"x": "x" * 1_000_000}},
        "ten thousand": {"claims": {"x": "x" * 10_000}},
        "nesting": {"claims": {"x": [[[[[[[[[[1]]]]]]]]]]}},
        "bare": {"tenant": "t1"},
        "a list": {"claims": []},
        "none": {},
        "nothing": b"",
    }
    for what, answer in wrong.items():
        asking.say("/claims", answer)
        refused = asking.api.post("/refresh", json={"refresh_token": pair["refresh_token"]})
        assert (refused.status_code, refused.json()["code"]) in {
            (503, "claims_unavailable"),
            (403, "token_too_large"),
        }, (what, refused.text)
    asking.say("/claims", {"claims": {"tenant": "t2"}})
    again = asking.api.post("/refresh", json={"refresh_token": pair["refresh_token"]})
    assert jwt.peek(again.json()["token"]).claims["tenant"] == "t2"


def test_a_slow_url_is_not_waited_for(asking: Asking) -> None:
    """It has half a second, as a plugin has."""

    def wait(_handler: BaseHTTPRequestHandler) -> None:
        asking.site.released.wait(5)

    asking.site.answers["/login"] = wait
    began = time.monotonic()
    assert asking.api.post("/login", json=ANN).status_code == 503
    assert time.monotonic() - began < 3
    asking.site.released.set()


@pytest.mark.parametrize(
    "flags",
    [
        {"before_login_url": "https://hooks.example.com/"},
        {"before_login_url": "https://hooks.example.com/?key=secret", "hooks_secret": SECRET},
        {"claims_url": "http://hooks.example.com/", "hooks_secret": SECRET},
        {"before_signup_url": "https://hooks.example.com/", "hooks_secret": "whsec_c2hvcnQ="},
        {"before_signup_url": "https://hooks.example.com/", "hooks_secret": "a long enough secret, but not base64"},
    ],
    ids=["unsigned", "a secret in the URL", "in the clear", "a short secret", "no secret"],
)
def test_an_unsafe_hook_does_not_start(flags: dict[str, str]) -> None:
    """What would be asked unsigned or in the clear is said at the start."""
    with pytest.raises(StartupError, match="hook"):
        load(flags=flags)
