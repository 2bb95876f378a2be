"""Attacks on captchas: sign-ups without one, answers used again, a service that is down or lies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

import pytest
from tests.support.authenticator import Authenticator
from tests.support.pages import Browser
from tests.support.scripted_site import ScriptedSite
from tests.support.server import ANN, SettableClock, running_server

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load
from gatepass.server.web.headers import CAPTCHA, PASSKEYS_SCRIPT, page_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import httpx
    from tests.support.server import RunningServer

KEYS = {"captcha_site_key": "site-key", "captcha_secret": "captcha-secret"}
EMAIL = "bob@example.test"


class Guarded(NamedTuple):
    """A server with a captcha, and the service that verifies it."""

    server: RunningServer
    api: httpx.Client
    service: ScriptedSite

    def times_asked(self) -> int:
        """How often the service was asked."""
        return self.service.times("/siteverify")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Generator[Guarded]:
    """A server whose sign-up has Turnstile."""
    with ScriptedSite() as service:
        settings: dict[str, Any] = {"captcha": "turnstile", "captcha_verify_url": f"{service.url}/siteverify", **KEYS}
        data = tmp_path_factory.mktemp("guarded")
        with running_server(data, SettableClock(), is_awaited=False, **settings) as server, server.client() as api:
            yield Guarded(server, api, service)


def _by_api(guarded: Guarded, captcha: str | None) -> httpx.Response:
    return guarded.api.post("/signup", json={"email": EMAIL, "password": ANN["password"], "captcha": captcha})


def _by_page(guarded: Guarded, captcha: str | None) -> httpx.Response:
    with Browser(guarded.server) as browser:
        answered = {} if captcha is None else {"cf-turnstile-response": captcha}
        return browser.post("/pages/signup", email=EMAIL, password=ANN["password"], **answered)


def _by_passkey(guarded: Guarded, captcha: str | None) -> httpx.Response:
    options = guarded.api.post("/signup/passkey/options", json={"email": EMAIL}).json()
    credential = Authenticator(guarded.server.url).create(options["public_key"])
    body = {"id": options["id"], "email": EMAIL, "credential": credential, "captcha": captcha}
    return guarded.api.post("/signup/passkey", json=body)


ROADS = {"api": _by_api, "page": _by_page, "passkey": _by_passkey}
VERDICTS: dict[str, tuple[object, int, int]] = {
    "a wrong answer": ({"success": False, "error-codes": ["invalid-input-response"]}, 200, 403),
    "nothing said": ({}, 200, 403),
    "a text for yes": ({"success": "true"}, 200, 503),
    "one for yes": ({"success": 1}, 200, 503),
    "no JSON": (b"<html>", 200, 503),
    "a list": ([True], 200, 503),
    "an error": ({"success": True}, 500, 503),
    "a redirect": ({"success": True}, 302, 503),
    "a megabyte": ({"success": True, "x": "x" * 1_000_000}, 200, 503),
    "nesting": (b'{"x":' + b"[" * 8_000, 200, 503),
}


@pytest.mark.parametrize("road", ROADS.values(), ids=list(ROADS))
def test_no_account_without_a_right_answer(
    guarded: Guarded, road: Callable[[Guarded, str | None], httpx.Response]
) -> None:
    """Only `true` of the service that is asked says yes; whatever else it does, sign-up fails and says which."""
    before = guarded.times_asked()
    for nothing in (None, ""):
        refused = road(guarded, nothing)
        assert refused.status_code == 422
    assert road(guarded, "x" * 8_193).status_code == 403
    assert guarded.times_asked() == before
    for what, (said, status, expected) in VERDICTS.items():
        guarded.service.put("/siteverify", said, status=status, headers={"location": guarded.service.url})
        refused = road(guarded, "an-answer")
        assert refused.status_code == expected, (what, refused.text)
    guarded.service.put("/siteverify", {"success": False})
    assert guarded.api.post("/login", json={"email": EMAIL, "password": ANN["password"]}).status_code == 401


def test_what_the_service_is_asked(guarded: Guarded, capsys: pytest.CaptureFixture[str]) -> None:
    """The secret, the answer, and whence it came; a right one makes an account, and no log has the secret."""
    guarded.service.put("/siteverify", {"success": True, "hostname": "localhost"})
    body = {**ANN, "captcha": "right-answer"}
    assert guarded.api.post("/signup", json=body).status_code == 201
    form = parse_qs(guarded.service.asked[-1].body.decode())
    assert form == {
        "secret": ["captcha-secret"],
        "response": ["right-answer"],
        "sitekey": ["site-key"],
        "remoteip": ["127.0.0.1"],
    }
    assert "captcha-secret" not in repr(guarded.server.settings)
    assert "captcha-secret" not in capsys.readouterr().out


def test_only_the_pages_with_a_widget_let_its_origin_in(guarded: Guarded) -> None:
    """Sign-up by form and by passkey; no other page runs a script of another site."""
    with Browser(guarded.server) as browser:
        step = browser.post("/pages/signup/passkey", email="new@example.test")
        for page in (browser.get("/pages/signup"), step):
            policy = page.headers["content-security-policy"]
            assert "frame-src https://challenges.cloudflare.com" in policy
            assert re.search(r"script-src \S+/static/passkeys\.js https://challenges\.cloudflare\.com(;|$)", policy)
            assert 'class="cf-turnstile" data-sitekey="site-key"' in page.text
        assert "cloudflare" not in browser.get("/pages/login").headers["content-security-policy"]


def test_hcaptcha_is_let_in_as_it_asks() -> None:
    """Scripts, frames, styles and requests, of its own names alone."""
    policies = page_headers(load(flags={"captcha": "hcaptcha", **KEYS}))
    policy = dict(policies[CAPTCHA])[b"content-security-policy"].decode()
    for directive in ("script-src", "frame-src", "style-src", "connect-src"):
        assert re.search(rf"{directive} [^;]*https://hcaptcha\.com https://\*\.hcaptcha\.com(;|$)", policy), policy
    assert "default-src 'none'" in policy
    assert b"hcaptcha" not in dict(policies[PASSKEYS_SCRIPT])[b"content-security-policy"]


@pytest.mark.parametrize(
    "flags",
    [
        {"captcha": "turnstile"},
        {"captcha": "hcaptcha", "captcha_site_key": "k"},
        {"captcha": "hcaptcha", **KEYS, "captcha_verify_url": "http://captcha.example.com/"},
        {"captcha": "recaptcha", **KEYS},
    ],
    ids=["no keys", "no secret", "verified in the clear", "another service"],
)
def test_half_a_captcha_does_not_start(flags: dict[str, str]) -> None:
    """What would verify nothing, or nothing safely, is said at the start."""
    with pytest.raises(StartupError, match="captcha"):
        load(flags=flags)
