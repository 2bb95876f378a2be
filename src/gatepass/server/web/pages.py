"""Pages that the server renders: HTML forms that need no script, and what defends them.

Every form carries a field that belongs to the browser it was rendered for: a MAC of a random cookie (a signed
double-submit token). Beside it the `Origin` of every form must be the issuer's. Either is enough against other sites.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from starlette.responses import Response

from gatepass.jose import base64url
from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.base.texts import LANGUAGES, translate
from gatepass.server.base.urls import is_loopback
from gatepass.server.web.browser import origin_of
from gatepass.server.web.cookies import HostCookie
from gatepass.server.web.devices import device_of
from gatepass.server.web.errors import PROBLEMS
from gatepass.server.web.headers import PASSKEYS_SCRIPT
from gatepass.server.web.language import LanguageChoice

if TYPE_CHECKING:
    from collections.abc import Mapping

    import jinja2
    from jinja2.runtime import Context
    from starlette.requests import Request

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.base.settings import Settings
    from gatepass.server.base.texts import Translate

PREFIX = "/pages"
"""Where every page lies, under the issuer's path: no page and no call of the API share a path."""

_BROWSER_BYTES = 16
_BROWSER = re.compile(r"[A-Za-z0-9_-]{22}")
_BROWSER_SECONDS = 86_400 * 30
_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""A path as browsers read one: they take a backslash for a slash, and drop tabs and newlines."""


class PageForm(Confidential, frozen=True, kw_only=True):
    """What every form of a page carries, beside its own fields. Texts only, and none required: people leave out any."""

    csrf: str = ""


class PageResponse(Response):
    """HTML, which no cache keeps: it is about one person, or carries a form of one browser."""

    media_type = "text/html"

    def __init__(self, content: str, status_code: int = 200, *, script: str = PASSKEYS_SCRIPT) -> None:
        super().__init__(content, status_code)
        self.script = script
        self.form_target = ""
        """The origin at another site that its form may lead to."""
        self.headers["cache-control"] = "no-store"


class Pages:
    """Renders templates with all that each needs, and knows browsers again.

    Args:
        settings: the issuer, whose URL every link is made from; never the Host header.
        key: what form tokens are made with, 32 bytes that all nodes share.
    """

    def __init__(self, settings: Settings, key: bytes) -> None:
        self._key = key
        self.language = LanguageChoice(settings)
        self._packages = ["gatepass.server.web"]
        self._issuer = settings.issuer_url
        self._site_name = settings.site_name
        self._has_style = bool(settings.site_style)
        self._base = urlsplit(settings.issuer_url).path
        self._interaction = f"{self._base}{PREFIX}/authorize/"
        self._address = urlsplit(settings.issuer_url)
        self._origin = origin_of(settings.issuer_url)
        # Lax, since people come here from a link in a mail; a form needs more than this.
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
        """Render a page; with an error its text stands above the form, and its status is the answer's.

        `script` is the one that may run, where the page has any. `here` is where to come back to in another language;
        empty for a page that is shown once.
        """
        browser = self.browser_of(request) or self.new_browser()
        language = self.language.of(request)
        t = translate(language)
        here = _here(request) if request.method == "GET" else ""
        values = {"return_to": "", "next_path": "", "scripted": False, "here": here} | values
        text = self._template(template).render(
            t=t,
            language=language,
            base=self._base,
            pages=self._base + PREFIX,
            site_name=self._site_name,
            has_style=self._has_style,
            script=script,
            languages=[(each, translate(each)("site.language")) for each in LANGUAGES],
            csrf=self._token(browser),
            error=None if error is None else error_text(t, error, origin=self._origin),
            **values,
        )
        response = PageResponse(text, status if error is None else status_of(error), script=script)
        if error is not None and error.retry_after is not None:
            response.headers["retry-after"] = str(error.retry_after)
        if browser != self.browser_of(request):
            self.set_browser(response, browser)
        return response

    def error_page(self, request: Request, error: GatepassError, *, again: str) -> Response:
        """Say what went wrong, and lead to where it can be tried again."""
        return self.page(request, "error.html", error=error, again=again)

    def message(self, request: Request, key: str, *, next_path: str | None = None, **values: object) -> Response:
        """Say one thing: `KEY.title`, `KEY.text`, and where to go on from there, `KEY.next`."""
        return self.page(request, "message.html", key=key, next_path=next_path, values=values)

    def go_to(self, path: str) -> Response:
        """Send the browser on; 303, so that what was posted is not posted again (RFC 9700 §4.12)."""
        return Response(status_code=303, headers={"location": path, "cache-control": "no-store"})

    def path(self, name: str) -> str:
        """The path of a page."""
        return f"{self._base}{PREFIX}/{name}"

    def url(self, name: str) -> str:
        """The URL of a page, for a mail."""
        return f"{self._issuer}{PREFIX}/{name}"

    def at_the_issuer(self, request: Request) -> Response | None:
        """Lead to the same page at the issuer's own address, where this machine was called by another of its names.

        At http://127.0.0.1:8000 browsers would send forms with an Origin, and keep cookies, that are not those of
        http://localhost:8000; so a page there could be looked at, and nothing done with it.
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
        """Send somebody who is not signed in to the sign-in page, and back here after it.

        The cookie of a session is SameSite=Strict, so a browser that follows a link from another site does not send
        it the first time. Then a page of ours that reloads at once finds out: that second request comes from us.
        """
        here = _here(request)
        if request.method != "GET":  # what was filled in is lost, and there may be nothing to look at there
            here = self.path("account")
        elif request.headers.get("sec-fetch-site") == "cross-site":
            return self.page(request, "again.html", again=here)
        return self.go_to(f"{self.path('login')}?return_to={quote(here, safe='')}")

    def come_again(self, request: Request) -> Response | None:
        """A page that reloads at once, where the browser comes from another site and keeps the session's cookie back.

        None where it may have sent all that it has.
        """
        if request.headers.get("sec-fetch-site") != "cross-site":
            return None
        return self.page(request, "again.html", again=_here(request))

    def with_query(self, path: str, query: Mapping[str, str]) -> str:
        """A path with parameters."""
        return f"{path}?{urlencode(query)}"

    def is_interaction(self, path: str) -> bool:
        """Whether this is a page between an authorization request and its answer, or leads back to one."""
        return path.startswith(self._interaction)

    def go_back_to(self, request: Request, path: str) -> Response:
        """Lead on after a form that may have come from an interaction.

        What comes after that may be at another site, and browsers do not follow a form there (CSP `form-action`); so
        the form ends at a page of ours, which leads on at once.
        """
        if self.is_interaction(path):
            return self.page(request, "again.html", again=path)
        return self.go_to(path)

    def prove_again(self, request: Request) -> Response:
        """Send somebody whose sign-in is too old, or of too little, to prove more, and back to where they were."""
        back = request.scope["path"] if request.method == "GET" else self.path("account")
        return self.go_to(f"{self.path('reauthenticate')}?return_to={quote(back, safe='')}")

    def return_path(self, text: str, otherwise: str) -> str:
        """Where to go after a sign-in: a path of this server, or `otherwise` for anything else (open redirects)."""
        is_ours = _PATH.fullmatch(text) is not None and (text == self._base or text.startswith(f"{self._base}/"))
        return text if is_ours else otherwise

    def return_query(self, text: str) -> str:
        """Where to go, as one more parameter of a link; nothing where it is none of our paths."""
        path = self.return_path(text, "")
        return f"&return_to={quote(path, safe='')}" if path else ""

    # ── browsers ──

    def check_origin(self, request: Request) -> None:
        """Refuse a form that no page of ours has sent, before anything else is looked at.

        Raises:
            Refusal: `cross_site_request`.
        """
        if request.headers.get("origin") != self._origin:
            raise Refusal("cross_site_request", f"This form was not sent from {self._origin}.")

    def check_form(self, request: Request, form: PageForm) -> None:
        """Refuse a form that was not filled in by the browser it was rendered for.

        Raises:
            Refusal: `form_expired`.
        """
        browser = self.browser_of(request)
        if browser is None or not hmac.compare_digest(form.csrf.encode(), self._token(browser).encode()):
            raise Refusal("form_expired", "The form has expired: reload the page.")

    def browser_of(self, request: Request) -> str | None:
        """The name that we gave this browser, which nobody else knows; None when it has none yet."""
        value = self._cookie.read(request)
        return value if _BROWSER.fullmatch(value) else None

    def new_browser(self) -> str:
        """Make a name for a browser."""
        return secrets.token_urlsafe(_BROWSER_BYTES)

    def set_browser(self, response: Response, browser: str) -> None:
        """Tell a browser its name."""
        self._cookie.put(response, browser, _BROWSER_SECONDS)

    def rename_browser(self, response: Response) -> None:
        """Give a browser another name at a sign-in: a name that was planted is worth nothing after it."""
        self.set_browser(response, self.new_browser())

    def _token(self, browser: str) -> str:
        digest = hmac.digest(self._key, browser.encode(), hashlib.sha256)
        return base64url.encode(digest)

    # ── templates ──

    def add_templates(self, package: str) -> None:
        """Find templates in the folder `templates` of this package too, after those that were added before."""
        self._packages.append(package)

    def warm_up(self, *templates: str) -> None:
        """Import and compile what the first page would otherwise wait for, a quarter of a second. For a thread."""
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
        filters["time"] = jinja2.pass_context(_time)
        filters["day"] = jinja2.pass_context(_day)
        filters["as_json"] = _as_json
        filters["device"] = device_of
        return environment


def _as_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _here(request: Request) -> str:
    path: str = request.scope["path"]
    return path + (f"?{request.url.query}" if request.url.query else "")


def _time(context: Context, at: float) -> str:
    t: Translate = context["t"]
    return t("date.time", day=_day(context, at), time=f"{datetime.fromtimestamp(at, UTC):%H:%M}")


def _day(context: Context, at: float) -> str:
    t: Translate = context["t"]
    date = datetime.fromtimestamp(at, UTC)
    return t("date.day", day=date.day, month=t("date.months").split()[date.month - 1], year=date.year)


def error_text(t: Translate, error: GatepassError, *, origin: str) -> str:
    """What a person reads of an error: the catalogue's words for its code, else its own."""
    try:
        return t(f"error.{error.code}", origin=origin)
    except KeyError:
        return error.detail


def status_of(error: GatepassError) -> int:
    """The status of a page that shows an error. 401 names a scheme (RFC 9110 §15.5.2), and a form is none."""
    status = PROBLEMS[error.code].status
    return 403 if status == 401 else status  # noqa: PLR2004 - as said
