"""A person's way from somebody else's site through the server's pages and back, as a browser goes it by HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.authorization import form_of, leads_on_to

if TYPE_CHECKING:
    import httpx
    from tests.support.pages import Browser

_MOST_PAGES = 4


def travel(browser: Browser, url: str, person: dict[str, str], *, by_post: bool = False) -> httpx.Response:
    """Open a site's page and do what the server's pages ask: sign in, agree, go on; the page of the site at the end."""
    answer = send(browser, url, {}) if by_post else arrive(browser, url)
    for _ in range(_MOST_PAGES):
        if not is_at_the_server(browser, answer):
            return answer
        answer = fill_in(browser, answer, **_asked_for(answer, person))
    raise AssertionError(f"the way does not end: {answer.url}\n{answer.text}")


def arrive(browser: Browser, url: str) -> httpx.Response:
    """Open a page; where redirects, and pages that lead on by themselves, end."""
    return _go_on(browser, browser.get(url))


def fill_in(browser: Browser, page: httpx.Response, **filled: str) -> httpx.Response:
    """Send the form of a page with these fields; where that ends."""
    action, fields = form_of(page.text)
    return send(browser, action, fields | filled)


def send(browser: Browser, url: str, fields: dict[str, str]) -> httpx.Response:
    """Send a form; where that ends."""
    origin = {"origin": browser.server.url}
    return _go_on(browser, browser.http.post(url, data=fields, headers=origin, follow_redirects=True))


def _go_on(browser: Browser, answer: httpx.Response) -> httpx.Response:
    target = leads_on_to(answer)
    return arrive(browser, target) if target else answer


def _asked_for(page: httpx.Response, person: dict[str, str]) -> dict[str, str]:
    if asks_for_a_password(page):
        return person
    return {"decision": "allow"} if 'name="decision"' in page.text else {}  # else an answer by form_post


def is_at_the_server(browser: Browser, answer: httpx.Response) -> bool:
    """Whether it is a page of the server, and not yet one of the site."""
    return answer.url.netloc.decode() == urlsplit(browser.server.url).netloc


def asks_for_a_password(answer: httpx.Response) -> bool:
    """Whether it is the page on which people sign in."""
    return 'name="password"' in answer.text
