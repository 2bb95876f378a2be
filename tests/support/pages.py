"""A browser without a screen: follows forms of the server's pages by HTTP, as a browser without scripts would."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import httpx
    from tests.support.server import RunningServer

_INPUT = re.compile(r"<input([^>]*)>")
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


class Browser:
    """Cookies, and the `Origin` that a browser sends with a form."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.http = server.client()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page."""
        return self.http.get(path, headers=headers, follow_redirects=True)

    def fields(self, path: str) -> dict[str, str]:
        """The fields of a page's first form, as they were rendered."""
        form = self.get(path).text.partition("<form")[2].partition("</form>")[0]
        found = [dict(_ATTRIBUTE.findall(attributes)) for attributes in _INPUT.findall(form)]
        return {field["name"]: html.unescape(field.get("value", "")) for field in found if "name" in field}

    def post(self, path: str, *, at: str | None = None, **filled: str) -> httpx.Response:
        """Fill in the form of the page `at` (else of the same path) and send it; what comes first is returned."""
        fields = self.fields(at or path) | filled
        return self.http.post(path, data=fields, headers={"origin": self.server.url})

    def sign_in(self, person: dict[str, str]) -> httpx.Response:
        """Sign in on the page."""
        return self.post("/pages/login", **person)

    def refresh(self) -> httpx.Response:
        """Ask for a token with the cookie, as an application's page does."""
        return self.http.post("/refresh", headers={"origin": self.server.url, "gatepass-request": "1"})
