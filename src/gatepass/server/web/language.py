"""The language of a response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.texts import Texts, primary
from gatepass.server.web.cookies import HostCookie

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.base.settings import Settings

_YEAR_SECONDS = 365 * 86_400


class LanguageChoice:
    """The language that the user has chosen, from a cookie, or the browser's."""

    def __init__(self, settings: Settings) -> None:
        self.texts = Texts(settings.text_files)
        # Lax: a link in an email opens a page in the chosen language.
        self._cookie = HostCookie("gatepass-language", settings, same_site="lax")

    def of(self, request: Request) -> str:
        """The language to answer a request in."""
        chosen = self._cookie.read(request)
        return (
            chosen
            if chosen in self.texts.languages
            else self.texts.preferred(request.headers.get("accept-language", ""))
        )

    def is_chosen(self, request: Request) -> bool:
        """Whether one was chosen in this browser."""
        return self._cookie.read(request) in self.texts.languages

    def keep(self, response: Response, language: str, *, seconds: int = _YEAR_SECONDS) -> None:
        """Store the choice in a cookie; unknown languages are ignored."""
        if language in self.texts.languages:
            self._cookie.put(response, language, seconds)

    def suggest(self, request: Request, response: Response, wanted: Sequence[str], *, seconds: int) -> None:
        """Have a browser keep the first of the wanted languages that there is, unless the person has chosen one."""
        language = next(filter(self.texts.languages.__contains__, map(primary, wanted)), "")
        if language and not self.is_chosen(request):
            self.keep(response, language, seconds=seconds)
