"""Signing out for an application in a real browser: from its site, over ours, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import expect
from tests.browser.test_authorize_pages import PERSON, Site, link, server, site
from tests.browser.test_look import submit
from tests.support.relying_party import add_relying_party

from gatepass.server.domain.sessions.client_metadata import ClientMetadata

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from tests.browser.conftest import OpenPage
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

__all__ = ["server", "site"]  # fixtures


@pytest.fixture
def party(server: RunningServer, site: str) -> RelyingParty:
    """The operator's own application."""
    metadata = ClientMetadata(redirect_uris=(f"{site}/cb",), post_logout_redirect_uris=(f"{site}/bye",))
    return add_relying_party(server, metadata=metadata, name="Notes")


def sign_in(server: RunningServer, site: str, party: RelyingParty, page: Page) -> str:
    """Sign in from the application's site; the ID token that it gets."""
    link(server, site, party, scope="openid email")
    page.goto(site)
    page.get_by_role("link", name="Sign in").click()
    submit(page, "Sign in", **PERSON)
    page.wait_for_url(f"{site}/cb*")
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(page.url).query)["code"][0],
        "redirect_uri": f"{site}/cb",
        "code_verifier": "v" * 43,
        **party.credentials,
    }
    with server.client() as api:
        id_token: str = api.post("/oauth/token", data=form).json()["id_token"]
    return id_token


def leave(server: RunningServer, site: str, page: Page, **asked: str) -> None:
    """Follow the link of the application's site that signs out."""
    asked |= {"post_logout_redirect_uri": f"{site}/bye", "state": "s-2"}
    Site.authorize = f"{server.url}/oauth/logout?{urlencode(asked)}"
    page.goto(site)
    page.get_by_role("link", name="Sign in").click()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_from_the_applications_site_and_back(
    server: RunningServer,
    site: str,
    party: RelyingParty,
    open_page: OpenPage,
    *,
    scripts: bool,
) -> None:
    """With the ID token: over a page of ours, which has the session's cookie, signed out, and back with the state."""
    page = open_page(java_script_enabled=scripts, locale="en-GB")
    id_token = sign_in(server, site, party, page)
    leave(server, site, page, id_token_hint=id_token)
    page.wait_for_url(f"{site}/bye*")
    expect(page.locator("#answer")).to_have_text("state=s-2")
    page.goto(f"{server.url}/pages/account")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_who_is_asked_goes_back_too(
    server: RunningServer,
    site: str,
    party: RelyingParty,
    open_page: OpenPage,
) -> None:
    """Without the ID token a page asks; its form may lead to the application's site, which the page's policy names."""
    page = open_page(locale="en-GB")
    sign_in(server, site, party, page)
    leave(server, site, page, client_id=party.id)
    expect(page.get_by_text("Notes asks to sign you out")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{site}/bye*")
    expect(page.locator("#answer")).to_have_text("state=s-2")
    page.goto(f"{server.url}/pages/account")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
