"""A person who signs in at another site and comes back, without a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx
    from tests.support.pages import Browser
    from tests.support.scripted_provider import ScriptedProvider


def go_there(browser: Browser, provider_id: str = "corp", return_to: str = "") -> str:
    """Follow the link of the sign-in page; gives the URL at the provider."""
    answer = browser.http.get(f"/pages/login/with/{provider_id}", params={"return_to": return_to})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def come_back(browser: Browser, answer: dict[str, str], provider_id: str = "corp") -> httpx.Response:
    """Bring the provider's answer; what comes first is returned."""
    return browser.http.get(f"/pages/login/callback/{provider_id}", params=answer)


def sign_in(browser: Browser, provider: ScriptedProvider, provider_id: str = "corp") -> httpx.Response:
    """There and back."""
    return come_back(browser, provider.authorize(go_there(browser, provider_id)), provider_id)
