"""An authorization request, the pages after it, and the code's redemption, as a client and a browser do it by HTTP."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.support.relying_party import CALLBACK

if TYPE_CHECKING:
    import httpx
    from tests.support.pages import Browser
    from tests.support.relying_party import RelyingParty

_REFRESH = re.compile(r'http-equiv="refresh" content="0; url=([^"]*)"')
FORM = {"content-type": "application/x-www-form-urlencoded"}


def new_verifier() -> str:
    """A PKCE verifier (RFC 7636 §4.1)."""
    return secrets.token_urlsafe(32)


def challenge(verifier: str) -> str:
    """Its S256 challenge."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Flow:
    """One authorization request of a client, in one browser."""

    party: RelyingParty
    browser: Browser
    verifier: str = field(default_factory=new_verifier)
    state: str = field(default_factory=lambda: secrets.token_urlsafe(8))

    def parameters(self, **changed: str | None) -> dict[str, str]:
        """The parameters of the request; None leaves one out."""
        usual = {
            "response_type": "code",
            "client_id": self.party.id,
            "redirect_uri": CALLBACK,
            "scope": "openid email",
            "state": self.state,
            "nonce": "n-0S6_WzA2Mj",
            "code_challenge": challenge(self.verifier),
            "code_challenge_method": "S256",
        } | changed
        return {name: value for name, value in usual.items() if value is not None}

    def ask(self, **changed: str | None) -> httpx.Response:
        """Send the request; the first answer, which may lead on."""
        return self.browser.http.get("/oauth/authorize", params=self.parameters(**changed))

    def follow(self, answer: httpx.Response) -> httpx.Response:
        """Follow redirects and pages that lead on, as long as they stay at the server."""
        while True:
            target = leads_on_to(answer) or answer.headers.get("location", "")
            if not target or urlsplit(target).netloc not in ("", urlsplit(self.browser.server.url).netloc):
                return answer
            answer = self.browser.http.get(target)

    def submit(self, page: httpx.Response, **filled: Any) -> httpx.Response:  # noqa: ANN401 - texts and lists of them
        """Send the form of a page as it is, with these fields besides; and follow."""
        action, fields = form_of(page.text)
        origin = {"origin": self.browser.server.url}
        return self.follow(self.browser.http.post(action, data=fields | filled, headers=origin))

    def redeem(
        self, api: httpx.Client, code: str, headers: dict[str, str] | None = None, **changed: str | None
    ) -> httpx.Response:
        """Send the code to the token endpoint."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": self.verifier,
            **self.party.credentials,
        } | changed
        sent = {name: value for name, value in form.items() if value is not None}
        return api.post("/oauth/token", data=sent, headers=headers or {})


def leads_on_to(answer: httpx.Response) -> str:
    """Where a page leads by itself, without a redirect; empty when it stays."""
    found = _REFRESH.search(answer.text) if answer.status_code == 200 else None
    return html.unescape(found[1]) if found else ""


def form_of(page: str) -> tuple[str, dict[str, Any]]:
    """Where the first form of a page goes, and its fields; the boxes that are ticked among them."""
    form = page.partition("<form")[2].partition("</form>")[0]
    fields: dict[str, Any] = {}
    for tag in re.findall(r"<input([^>]*)>", form):
        found = {name: html.unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
        if found.get("type") == "checkbox":
            if "checked" in tag:
                fields.setdefault(found["name"], []).append(found["value"])
        elif "name" in found:
            fields[found["name"]] = found.get("value", "")
    action = re.search(r'action="([^"]*)"', form)
    return html.unescape(action[1]) if action else "", fields


def answer_of(response: httpx.Response) -> dict[str, str]:
    """The parameters of an authorization response in a query."""
    assert response.status_code == 303, response.text
    return dict(parse_qsl(urlsplit(response.headers["location"]).query, keep_blank_values=True))


def code_of(response: httpx.Response) -> str:
    """The code in it."""
    answer = parse_qs(urlsplit(response.headers["location"]).query)
    assert "code" in answer, answer
    return answer["code"][0]
