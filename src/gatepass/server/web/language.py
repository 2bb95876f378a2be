"""The language that a request is answered in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.texts import LANGUAGES, preferred_language

if TYPE_CHECKING:
    from starlette.requests import Request


LANGUAGE_COOKIE = "lang"


def language_of(request: Request) -> str:
    """The language that somebody has chosen, else the one that their browser asks for."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    return preferred_language(request.headers.get("accept-language", ""))
