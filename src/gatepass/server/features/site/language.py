"""`/pages/language`: the language that somebody wants, whatever their browser asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.texts import LANGUAGES
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.language import LANGUAGE_COOKIE
from gatepass.server.web.routing import page

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route

_YEAR_SECONDS = 365 * 86_400


class Language:
    """The flow. A link does it, and no form: it changes what words are shown, and nothing that is kept here."""

    def __init__(self, core: Core) -> None:
        self._pages = core.pages
        self._secure = core.settings.issuer_url.startswith("https://")

    def routes(self) -> tuple[Route, ...]:
        """The flow's page."""
        return (page("/pages/language", self.choose, ANYONE),)

    async def choose(self, call: Call, _body: None) -> Response:
        """Keep the choice in a cookie, and go back to where it was made."""
        back = self._pages.return_path(call.query.get("return_to", ""), self._pages.path("account"))
        response = self._pages.go_to(back)
        language = call.query.get("to", "")
        if language in LANGUAGES:
            response.set_cookie(
                LANGUAGE_COOKIE,
                language,
                max_age=_YEAR_SECONDS,
                path="/",
                secure=self._secure,
                httponly=True,
                samesite="lax",
            )
        return response
