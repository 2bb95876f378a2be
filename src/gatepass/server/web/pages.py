"""Server-rendered pages: HTML forms that work without scripts, and their CSRF protection.

Every form has a field that is bound to its browser: a MAC of a random cookie (a signed double-submit token). In
addition, the `Origin` of every form must be the issuer's. Each is sufficient against other sites.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from starlette.responses import Response

from gatepass.jose import base64url
from gatepass.server.base.confidential import Confidential
from gatepass.server.base.devices import device_of
from gatepass.server.base.errors import Refusal
from gatepass.server.base.texts import direction
from gatepass.server.base.urls import is_loopback
from gatepass.server.web.browser import origin_of
from gatepass.server.web.cookies import HostCookie
from gatepass.server.web.errors import PROBLEMS
from gatepass.server.web.headers import PASSKEYS_SCRIPT
from gatepass.server.web.language import LanguageChoice
from gatepass.server.web.page_texts import FIELDS, day_of, error_text, time_of, with_markup

if TYPE_CHECKING:
    from collections.abc import Mapping

    import jinja2
    from starlette.requests import Request

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.base.settings import Settings

PREFIX = "/pages"
"""The path of all pages, under the issuer's path, separate from the API."""

_BROWSER_BYTES = 16
_BROWSER = re.compile(r"[A-Za-z0-9_-]{22}")
_BROWSER_SECONDS = 86_400 * 30
_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""A path, safe for browsers, which read a backslash as a slash and drop tabs and newlines."""
_URL = re.compile(r"(https?://[^/?#\\@]+)([/?#][!-\[\]-~]*)?")
"""A URL at another origin, whose first part is compared as a whole: a user name, or a host that only begins like one
of the listed, differs there."""


_CAN_BE_LEFT = frozenset(("message.html", "check_email.html", "email_code.html"))
"""Templates that show nothing that is shown only once, so that the language can be changed after a form too."""


class PageForm(Confidential, frozen=True, kw_only=True):
    """The fields of every page form. Strings only, none required: users leave out any."""

    csrf: str = ""


class PageResponse(Response):
    """HTML that must not be cached, because it is about one user or has one browser's form token."""

    media_type = "text/html"

    def __init__(self, content: str, status_code: int = 200, *, script: str = PASSKEYS_SCRIPT) -> None:
        super().__init__(content, status_code)
        self.script = script
        self.form_target = ""
        """The origin at another site that its form may lead to."""
        self.headers["cache-control"] = "no-store"


class Pages:
    """Renders templates with their context, and recognizes browsers.

    Args:
        settings: the issuer, whose URL every link is made from; never the Host header.
        key: what form tokens are made with, 32 bytes that all nodes share.
    """

    def __init__(self, settings: Settings, key: bytes) -> None:
        self._key = key
        self.language = LanguageChoice(settings)
        self.texts = self.language.texts
        self._packages = ["gatepass.server.web"]
        self._issuer = settings.issuer_url
        self._site_name = settings.site_name
        self._has_style = bool(settings.site_style)
        self._base = urlsplit(settings.issuer_url).path
        self._return_origins = settings.return_origins
        self._app_url = settings.app_url
        self._interactions = (f"{self._base}{PREFIX}/authorize/", f"{self._base}{PREFIX}/logout/")
        self._address = urlsplit(settings.issuer_url)
        self._origin = origin_of(settings.issuer_url)
        # Lax, because users come here from links in emails; forms need more than this.
        self._cookie = HostCookie("gatepass-browser", settings, same_site="lax")

    # ── answers ──

    def page(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        error: GatepassError | None = None,
        script: str = PASSKEYS_SCRIPT,
        **values: object,
    ) -> PageResponse:
        """Render a page; an error's text is shown above the form, and its status is the response's.

        `script` is the page's script, if it has one. `here` is where to return after a change of language; empty for a
        page that is shown once.
        """
        browser = self.browser_of(request) or self.new_browser()
        language = self.language.of(request)
        t = with_markup(self.texts.translate(language))
        is_said_again = error is not None or template in _CAN_BE_LEFT
        here = _here(request) if request.method == "GET" else self._form_page(request) if is_said_again else ""
        defaults: dict[str, object] = {"return_to": "", "next_path": "", "scripted": True, "email": "", "values": {}}
        values = defaults | {"here": here} | values
        text = self._template(template).render(
            t=t,
            language=language,
            direction=direction(language),
            base=self._base,
            pages=self._base + PREFIX,
            site_name=self._site_name,
            app_url=self._app_url,
            app_host=urlsplit(self._app_url).netloc,
            has_style=self._has_style,
            script=script,
            languages=[(each, self.texts.of(each)["site.language"], direction(each)) for each in self.texts.languages],
            csrf=self._token(browser),
            error=None if error is None else error_text(t, error, origin=self._origin),
            invalid="" if error is None else FIELDS.get(error.code, ""),
            **values,
        )
        response = PageResponse(text, status if error is None else status_of(error), script=script)
        if error is not None and error.retry_after is not None:
            response.headers["retry-after"] = str(error.retry_after)
        if browser != self.browser_of(request):
            self.set_browser(response, browser)
        return response

    def error_page(self, request: Request, error: GatepassError, *, again: str) -> Response:
        """Show an error, with a link to try again."""
        return self.page(request, "error.html", error=error, again=again)

    def message(self, request: Request, key: str, *, next_path: str | None = None, **values: object) -> Response:
        """Show a message: `KEY.title`, `KEY.text`, and the link `KEY.next`."""
        return self.page(request, "message.html", key=key, next_path=next_path, values=values)

    def dead_link(self, request: Request, again: str, *, key: str) -> Response:
        """Say that an email's link works no longer, before anything is typed, and where to get another."""
        return self.page(request, "message.html", status=403, key=key, next_path=self.path(again), here="")

    def go_to(self, path: str) -> Response:
        """Redirect with 303, so that a POST is not repeated (RFC 9700 §4.12)."""
        return Response(status_code=303, headers={"location": path, "cache-control": "no-store"})

    def path(self, name: str) -> str:
        """The path of a page."""
        return f"{self._base}{PREFIX}/{name}"

    def url(self, name: str) -> str:
        """The URL of a page, for an email."""
        return f"{self._issuer}{PREFIX}/{name}"

    def at_the_issuer(self, request: Request) -> Response | None:
        """Redirect to the same page at the issuer's own address, if the request used another name of this machine.

        At http://127.0.0.1:8000, browsers send another Origin and keep other cookies than at http://localhost:8000, so
        forms there would not work.
        """
        try:
            called = urlsplit(f"//{request.headers.get('host', '')}")
            is_another_name = called.port == self._address.port and called.hostname != self._address.hostname
        except ValueError:
            return None
        if not (is_another_name and is_loopback(called.hostname or "") and is_loopback(self._address.hostname or "")):
            return None
        return self.go_to(self._origin + _here(request))

    def sign_in_first(self, request: Request) -> Response:
        """Redirect a visitor who is not signed in to the sign-in page, and back here afterwards.

        The session cookie is SameSite=Strict, so a browser that follows a link from another site does not send it at
        first. A page that reloads itself finds out: the second request comes from our own site.
        """
        here = _here(request)
        if request.method != "GET":  # the form's content is lost, and its path may have no page
            here = self.path("account")
        elif request.headers.get("sec-fetch-site") == "cross-site":
            return self.page(request, "again.html", again=here)
        return self.go_to(f"{self.path('login')}?return_to={quote(here, safe='')}")

    def come_again(self, request: Request) -> Response | None:
        """A page that reloads itself, if the browser came from another site and may have withheld the session cookie.

        None if the browser can have sent all its cookies.
        """
        if request.headers.get("sec-fetch-site") != "cross-site":
            return None
        return self.page(request, "again.html", again=_here(request))

    def with_query(self, path: str, query: Mapping[str, str]) -> str:
        """A path with parameters."""
        return f"{path}?{urlencode(query)}"

    @property
    def home(self) -> str:
        """Where a sign-in leads that was not asked to lead anywhere: to the application, or to the account."""
        return self._app_url or self.path("account")

    def is_interaction(self, path: str) -> bool:
        """Whether this is a page between an authorization request and its answer, or leads back to one."""
        return path.startswith(self._interactions)

    def go_back_to(self, request: Request, path: str) -> Response:
        """Lead on after a form that may have come from an interaction, or from an application.

        What comes after that may be at another site, and browsers do not follow a form there (CSP `form-action`); so
        the form ends at a page of ours, which leads on at once.
        """
        if self.is_interaction(path) or not path.startswith("/"):
            return self.page(request, "again.html", again=path)
        return self.go_to(path)

    def prove_again(self, request: Request) -> Response:
        """Redirect a user whose sign-in is too old or too weak to reauthenticate, and back afterwards."""
        back = request.scope["path"] if request.method == "GET" else self.path("account")
        return self.go_to(f"{self.path('reauthenticate')}?return_to={quote(back, safe='')}")

    def return_path(self, text: str, otherwise: str) -> str:
        """Where to go after a sign-in: a path of this server, a URL at a listed origin, or `otherwise`.

        Everything else is an open redirect.
        """
        is_ours = _PATH.fullmatch(text) is not None and (text == self._base or text.startswith(f"{self._base}/"))
        url = _URL.fullmatch(text)
        return text if is_ours or (url is not None and url[1] in self._return_origins) else otherwise

    def return_query(self, text: str) -> str:
        """The target as a parameter of a link; empty if it is not one that `return_path` allows."""
        path = self.return_path(text, "")
        return f"&return_to={quote(path, safe='')}" if path else ""

    def _form_page(self, request: Request) -> str:
        """The page whose form was sent, as far as it is one of ours: there the language can be changed."""
        where = request.headers.get("referer", "")
        return where.removeprefix(self._origin) if where.startswith(f"{self._origin}{self._base}/") else ""

    # ── browsers ──

    def check_origin(self, request: Request) -> None:
        """Refuse a form that was not sent by one of our pages, before anything else.

        Raises:
            Refusal: `cross_site_request`.
        """
        if request.headers.get("origin") != self._origin:
            raise Refusal("cross_site_request", f"This form was not sent from {self._origin}.")

    def check_form(self, request: Request, form: PageForm) -> None:
        """Refuse a form that was not rendered for this browser.

        Raises:
            Refusal: `form_expired`.
        """
        browser = self.browser_of(request)
        if browser is None or not hmac.compare_digest(form.csrf.encode(), self._token(browser).encode()):
            raise Refusal("form_expired", "The form has expired: reload the page.")

    def browser_of(self, request: Request) -> str | None:
        """The secret id that this browser was given; None if it has none."""
        value = self._cookie.read(request)
        return value if _BROWSER.fullmatch(value) else None

    def new_browser(self) -> str:
        """Make an id for a browser."""
        return secrets.token_urlsafe(_BROWSER_BYTES)

    def set_browser(self, response: Response, browser: str) -> None:
        """Set a browser's id."""
        self._cookie.put(response, browser, _BROWSER_SECONDS)

    def rename_browser(self, response: Response) -> None:
        """Give a browser a new id at sign-in, so that an id planted before is useless."""
        self.set_browser(response, self.new_browser())

    def _token(self, browser: str) -> str:
        digest = hmac.digest(self._key, browser.encode(), hashlib.sha256)
        return base64url.encode(digest)

    # ── templates ──

    def add_templates(self, package: str) -> None:
        """Also find templates in the folder `templates` of this package, after earlier ones."""
        self._packages.append(package)

    def warm_up(self, *templates: str) -> None:
        """Import and compile what the first page needs, which takes a quarter of a second. For a thread."""
        for name in templates:
            self._template(name)

    def _template(self, name: str) -> jinja2.Template:
        return self._environment.get_template(name)

    @cached_property
    def _environment(self) -> jinja2.Environment:
        import jinja2  # noqa: PLC0415 - takes 50 ms, and a server of machines never needs it

        environment = jinja2.Environment(
            loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package) for package in self._packages]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        filters: dict[str, Any] = environment.filters
        filters["time"] = jinja2.pass_context(time_of)
        filters["day"] = jinja2.pass_context(day_of)
        filters["as_json"] = _as_json
        filters["device"] = device_of
        return environment


def _as_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _here(request: Request) -> str:
    path: str = request.scope["path"]
    return path + (f"?{request.url.query}" if request.url.query else "")


def status_of(error: GatepassError) -> int:
    """The status of a page with an error. 401 needs a challenge (RFC 9110 §15.5.2), which forms do not have."""
    status = PROBLEMS[error.code].status
    return 403 if status == 401 else status  # noqa: PLR2004 - as said
