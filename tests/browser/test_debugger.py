"""The token page in a real browser: what it says of right and wrong tokens, and that nothing leaves the browser."""

from __future__ import annotations

import json
import re
import time
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tests.browser.test_look import Eye
from tests.support.forge import b64, dumps, hs256
from tests.support.server import ANN, SettableClock, running_server

from gatepass.jose import jwt
from gatepass.jose.keys import Key
from gatepass.server.base.texts import texts

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from playwright.sync_api import Page, Request
    from tests.browser.conftest import OpenPage
    from tests.support.server import RunningServer

ACCEPTED = "No problems found"
REFUSED = "This token would be refused"
UNKNOWN = "The signature was not checked"
SECRET = "a secret of more than sixty-four octets, since HS512 has a hash that is as long as that"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server with its usual settings. Browsers have the real time, so it has too."""
    with running_server(tmp_path_factory.mktemp("debugger"), SettableClock(time.time())) as running:
        with running.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        yield running


@pytest.fixture(scope="module")
def tab_options(server: RunningServer) -> dict[str, Any]:
    """The page in English."""
    return {"base_url": server.url, "locale": "en-GB"}


@pytest.fixture
def token(server: RunningServer) -> str:
    """A token of this server."""
    with server.client() as api:
        made: str = api.post("/login", json=ANN).json()["token"]
    return made


@pytest.fixture
def page(server: RunningServer, tab: Page) -> Page:
    """The token page."""
    tab.goto("/debugger")
    return tab


def paste(page: Page, token: str, key: str = "") -> None:
    """Fill in both fields, and wait for the verdict."""
    page.get_by_text("Check the signature with another key").evaluate(
        "summary => { summary.parentElement.open = true }"
    )
    page.get_by_label("Token", exact=True).fill("")
    page.get_by_label("Public key or secret").fill(key)
    expect(page.get_by_role("status")).to_have_count(0)
    page.get_by_label("Token", exact=True).fill(token)
    page.get_by_role("status").wait_for()


def says(page: Page, outcome: str, reason: str) -> None:
    """The verdict is this, for this reason among others."""
    expect(page.get_by_role("status").get_by_role("heading")).to_have_text(outcome)
    expect(page.get_by_role("status")).to_contain_text(reason)


def access_token(key: Key, **changes: Any) -> str:  # noqa: ANN401 - claims
    """A token such as a server like ours makes."""
    now = int(time.time())
    claims = {"iss": "https://issuer.test", "aud": "https://api.test", "sub": "ann", "client_id": "web", "jti": "1"}
    return jwt.sign(claims | {"iat": now, "exp": now + 600} | changes, key, "at+jwt")


def test_a_token_of_this_server(page: Page, token: str, server: RunningServer) -> None:
    """Its signature is checked against the JWKS, every claim is explained, and times are in words."""
    paste(page, token)
    says(page, ACCEPTED, "The signature is valid (ES256).")
    says(page, ACCEPTED, "This server is the issuer.")
    says(page, ACCEPTED, "Expires in 14 minutes.")
    payload = page.locator("section", has=page.get_by_role("heading", name="Payload", exact=True))
    expect(payload).to_contain_text(server.url)
    expect(payload).to_contain_text("The subject: the user or client that it is about.")
    for part, kind in zip(token.split("."), ("header", "payload", "signature"), strict=True):
        expect(page.locator(f".token .in-{kind}")).to_have_text(part)
    header, body, signature = token.split(".")
    other = json.dumps(dict(jwt.peek(token).claims) | {"sub": "somebody else"}).encode()
    paste(page, f"{header}.{b64(other)}.{signature}")
    says(page, REFUSED, "The signature is not valid")
    paste(page, f"Bearer {header}.\n{body}.{signature}")
    says(page, ACCEPTED, "The signature is valid")


def test_nothing_leaves_the_browser(server: RunningServer, open_page: OpenPage, token: str) -> None:
    """After the page has loaded it asks for the JWKS, once, and for nothing else, whatever is pasted; nor could it."""
    page = open_page(base_url=server.url)
    page.goto("/debugger", wait_until="networkidle")
    asked: list[Request] = []
    page.context.on("request", lambda request: asked.append(request))  # noqa: PLW0108 - wants a function of Python's
    for pasted in (token, access_token(Key.generate("ES256")), "not a token"):
        paste(page, pasted)
    assert [(each.method, each.url, each.post_data) for each in asked] == [
        ("GET", f"{server.url}/.well-known/jwks.json", None)
    ]
    assert page.evaluate("fetch('/me').then(() => 'sent', () => 'refused')") == "refused"
    assert page.evaluate("navigator.sendBeacon('/login', 'x') && 0; localStorage.length + sessionStorage.length") == 0
    assert page.url == f"{server.url}/debugger"


@pytest.mark.parametrize("form", ["jwk", "jwks", "pem"])
def test_every_algorithm_with_a_pasted_key(page: Page, form: str) -> None:
    """A public key as a JWK, a JWKS or PEM: the signature that it made is right, and that of another key wrong."""
    for alg in ("ES256", "ES384", "ES512", "RS256", "PS256", "RS384", "PS512", "Ed25519"):
        key, other = Key.generate(alg, kid="1"), Key.generate(alg, kid="1")
        token = access_token(key)
        paste(page, token, in_form(key, form))
        says(page, ACCEPTED, f"The signature is valid ({alg}).")
        paste(page, token, in_form(other, form))
        says(page, REFUSED, "The signature is not valid")


def in_form(key: Key, form: str) -> str:
    """Write a public key as people have them."""
    if form == "pem":
        return key.public().to_pem().decode()
    jwk = key.public().to_jwk()
    return json.dumps({"keys": [jwk]} if form == "jwks" else jwk)


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_secret(page: Page, server: RunningServer, alg: str) -> None:
    """The secret as text, or as a JWK; none is no verdict, and another is a wrong signature."""
    key = Key.from_secret(SECRET.encode(), alg)
    token = access_token(key, iss=server.url)
    paste(page, token)
    says(page, UNKNOWN, f"{alg} is checked with a secret")
    paste(page, token, SECRET)
    says(page, ACCEPTED, f"The signature is valid ({alg}).")
    paste(page, token, json.dumps(key.to_jwk(private=True)))
    says(page, ACCEPTED, "The signature is valid")
    paste(page, token, "another secret")
    says(page, REFUSED, "The signature is not valid")


def test_a_public_key_is_no_secret(page: Page) -> None:
    """A token that was signed with the text of a public key as HMAC secret is refused (RFC 8725 §2.1)."""
    pem = Key.generate("ES256").public().to_pem()
    paste(page, hs256(pem.strip(), dumps({"alg": "HS256", "typ": "at+jwt"}), dumps({"sub": "ann"})), pem.decode())
    says(page, REFUSED, "This key is not for HS256")


def test_a_private_key_is_sent_home(page: Page) -> None:
    """Somebody who pastes a private key is told not to."""
    key = Key.generate("ES256")
    for text in (key.to_pem(private=True).decode(), json.dumps(key.to_jwk(private=True))):
        paste(page, access_token(key), text)
        says(page, UNKNOWN, "This is a private key.")


NOW = int(time.time())
WRONG = {
    "Expired": {"exp": NOW - 7_300},
    "Expired 2 hours ago.": {"exp": NOW - 7_300},
    "Not valid yet": {"nbf": NOW + 3_700},
    "issued in the future (in 2 hours)": {"iat": NOW + 9_000},  # the test may run minutes after this line
}


@pytest.mark.parametrize("reason", WRONG)
def test_why_it_would_be_refused(page: Page, reason: str) -> None:
    """Right by its signature, and refused for its times."""
    key = Key.generate("ES256")
    paste(page, access_token(key, **WRONG[reason]), in_form(key, "jwk"))
    says(page, REFUSED, reason)
    says(page, REFUSED, "The signature is valid")


FORGED = {
    "two parts": ("abc.def", "This is not a JSON Web Token"),
    "a letter too many": ("e30.e30.a", "not valid base64url"),
    "another alphabet": ("e30.e3+.", "not valid base64url"),
    "no object": (f"{b64(b'[]')}.e30.", "not a JSON object"),
    "no JSON": (f"{b64(b'{')}.e30.", "not a JSON object"),
    "encrypted": ("e30.e30.e30.e30.e30", "This token is encrypted"),
    "alg none": (f"{b64(dumps({'alg': 'none'}))}.e30.", "This token is not signed"),
    "another issuer": (access_token(Key.generate("ES256", kid="x")), "None of this server's keys signed this token."),
    "crit": (f"{b64(dumps({'alg': 'ES256', 'crit': ['x']}))}.e30.e30", "requires an extension"),
    "missing": (f"{b64(dumps({'alg': 'ES256', 'typ': 'at+jwt'}))}.e30.e30", "client_id, iat, jti"),
    "exp as text": (f"{b64(dumps({'alg': 'ES256'}))}.{b64(dumps({'exp': 'soon'}))}.e30", "exp is not a valid time."),
}


def test_what_is_no_token_or_a_bad_one(page: Page) -> None:
    """Each is refused, and says why."""
    for token, reason in FORGED.values():
        paste(page, token)
        says(page, REFUSED, reason)


def test_what_a_token_says_stays_text(page: Page) -> None:
    """Markup in claims is shown and not believed."""
    paste(page, access_token(Key.generate("ES256"), sub="<img src=x onerror=alert(1)>", **{"<b>": 1}))
    expect(page.locator("#result img, #result b")).to_have_count(0)
    expect(page.locator("#result")).to_contain_text("<img src=x onerror=alert(1)>")


def test_every_text_of_the_script_is_there() -> None:
    """The script names no text that the catalogue does not have."""
    script = files("gatepass.server.web").joinpath("static/debugger.js").read_text("utf-8")
    named = re.findall(r'(?:say|Trouble)\("([\w.]+)"|(?:true|false|null), "(\w+)"', script)
    names = {first or second for first, second in named}
    assert len(names) > 20
    assert {f"debugger.{name}" for name in names} <= set(texts("en"))


def test_how_it_looks(server: RunningServer, open_page: OpenPage, artefacts: Path, token: str) -> None:
    """Empty, with a right token, with a wrong one."""
    folder = artefacts / "pages"
    folder.mkdir(exist_ok=True)
    page = open_page(base_url=server.url, locale="en-GB")
    eye = Eye(page, folder)
    page.goto("/debugger")
    eye.look("debugger-empty")
    paste(page, token)
    eye.look("debugger")
    key = Key.generate("ES256")
    paste(page, access_token(key, exp=NOW - 100_000), in_form(key, "pem"))
    eye.look("debugger-refused")
    assert eye.complaints == []
