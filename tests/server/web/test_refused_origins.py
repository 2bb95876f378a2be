"""A page that may not call the server: its browser says "Failed to fetch", and the server's log says why."""

from __future__ import annotations

import re

import pytest
from starlette.requests import Request
from tests.support.server import SettableClock

from gatepass.server.base.settings import load
from gatepass.server.web.cors import Cors
from gatepass.server.web.refused_origins import RefusedOrigins

ISSUER = "https://auth.example.com"
OURS = {"browser_origins": ("https://app.example.com",), "cors_origins": ("https://other.example.net",)}
COOKIE = {"access-control-request-headers": "content-type,gatepass-request"}
BEARER = {"access-control-request-headers": "authorization"}


@pytest.fixture
def clock() -> SettableClock:
    """What the hour is measured by."""
    return SettableClock()


@pytest.fixture
def cors(clock: SettableClock) -> Cors:
    """A server with an origin in each list."""
    return Cors(load(flags={"issuer": ISSUER, **OURS}), RefusedOrigins(clock))


def ask(cors: Cors, origin: str, **headers: str) -> dict[bytes, bytes]:
    """What is answered to a page's preflight."""
    sent = {"origin": origin, "cookie": "gatepass-refresh=gpr_secret", "authorization": "Bearer secret", **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
    scope = {"type": "http", "method": "OPTIONS", "path": "/refresh", "headers": raw}
    return dict(cors.headers_for(Request(scope)))


@pytest.mark.parametrize(
    ("origin", "headers", "told"),
    [
        ("https://new.example.com", COOKIE | {"sec-fetch-site": "same-site"}, "browser_origins"),
        ("https://new.example.com", COOKIE, "browser_origins"),
        ("https://new.example.com", {"gatepass-request": "1"}, "browser_origins"),
        ("https://new.example.com", BEARER | {"sec-fetch-site": "same-site"}, "browser_origins"),
        ("https://new.example.org", BEARER | {"sec-fetch-site": "cross-site"}, "cors_origins"),
        ("https://new.example.org", {}, "cors_origins"),
        ("https://new.example.org", COOKIE | {"sec-fetch-site": "cross-site"}, "kind browser"),
        ("null", COOKIE, "serve the page over HTTP"),
        ("https://app.example.com", COOKIE, None),
        ("https://other.example.net", BEARER, None),
        (ISSUER, COOKIE, None),
        ("https://auth.example.com:444", {"sec-fetch-site": "same-origin"}, None),
        ("", COOKIE, None),
    ],
)
def test_the_setting_that_would_allow_it_is_told(
    cors: Cors, capsys: pytest.CaptureFixture[str], origin: str, headers: dict[str, str], told: str | None
) -> None:
    """The origin and the setting, or what to do where no setting helps; nothing of a page that may call, no secret."""
    allowed = b"access-control-allow-origin" in ask(cors, origin, **headers)
    said = capsys.readouterr().out
    assert allowed == (told is None and origin in (*OURS["browser_origins"], *OURS["cors_origins"]))
    assert (said == "") == (told is None)
    if told is not None:
        assert "a page may not call this server" in said
        assert origin in said
        assert told in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "origin",
    [
        "http://a:99999",
        "http://[:::]",
        "https://x.example.com\x1b[2J",
        "https://" + "a" * 400,
        "javascript:alert(1)",
        "*",
    ],
)
def test_what_no_browser_sends_is_not_repeated(cors: Cors, capsys: pytest.CaptureFixture[str], origin: str) -> None:
    """The header is anyone's text: what is no origin neither gets into the log nor makes an error."""
    assert b"access-control-allow-origin" not in ask(cors, origin)
    assert capsys.readouterr().out == ""


def test_it_is_told_once_an_hour_and_a_flood_is_cut_off(
    cors: Cors, clock: SettableClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each origin, twenty at most, and again after an hour."""
    for _ in range(3):
        ask(cors, "https://new.example.com", **COOKIE)
    assert len(re.findall("may not call", capsys.readouterr().out)) == 1
    for number in range(50):
        ask(cors, f"https://n{number}.example.com", **COOKIE)
    assert len(re.findall("may not call", capsys.readouterr().out)) == 19
    clock.advance(3_600)
    ask(cors, "https://new.example.com", **COOKIE)
    assert "https://new.example.com" in capsys.readouterr().out
