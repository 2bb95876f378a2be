"""How pages and mails look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.origins import OriginSection
from gatepass.server.base.texts import Texts
from gatepass.server.base.urls import as_browsers_write, is_https_or_local

LOGO_TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}


class SiteSection(OriginSection, frozen=True, kw_only=True):
    """The name, the logo and the style of the site."""

    site_name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            description="Name of this site in pages, emails and authenticator apps.",
        ),
    ] = "Gatepass"
    site_logo: Annotated[
        str, Meta(description="Logo of the pages, an SVG, PNG, WebP or JPEG file. Empty: Gatepass's own.")
    ] = ""
    site_style: Annotated[str, Meta(description="CSS file that sets the pages' variables, for your own look.")] = ""

    app_url: Annotated[
        str,
        Meta(
            description="URL of your application. People are led there after signing in, unless a page of ours, or one at an"
            " origin of `browser_origins`, was asked for by `return_to`. Empty: to their account."
        ),
    ] = ""

    text_files: Annotated[
        tuple[str, ...],
        Meta(
            description="TOML files of texts, each named after its language: `texts/ar.toml` adds Arabic, `texts/en.toml` changes ours."
        ),
    ] = ()

    console: Annotated[
        bool, Meta(description="Whether operators have pages at `/pages/admin`. Off where the server is mounted.")
    ] = True
    impersonation: Annotated[
        bool,
        Meta(
            description="Whether operators can get tokens of other people's, of 15 minutes at most, by a sign-in with the"
            " scope `admin:impersonate`. The person is told by mail."
        ),
    ] = False

    @property
    def return_origins(self) -> frozenset[str]:
        """The origins besides our own to which pages lead back: the application's, and those of cookie mode."""
        app = urlsplit(self.app_url)
        return frozenset((*self.browser_origins, *([f"{app.scheme}://{app.netloc}"] if self.app_url else [])))

    def check(self) -> None:
        """The files are there, the texts can be used, the logo is a picture, the name is one line, the URL is one."""
        super().check()
        if self.app_url and not (is_https_or_local(self.app_url) and as_browsers_write(self.app_url) == self.app_url):
            raise StartupError(
                "`app_url` is not an https URL.",
                "Write it like https://app.example.com/start: the host in lower case, without a default port or a query.",
            )
        Texts(self.text_files)
        for name in (self.site_logo, self.site_style):
            if name and not Path(name).is_file():
                raise StartupError(
                    f"There is no file {name}.", "Give `site_logo` and `site_style` files, or leave them out."
                )
        if self.site_logo and Path(self.site_logo).suffix not in LOGO_TYPES:
            raise StartupError("`site_logo` is not a supported image.", f"Its name ends with {', '.join(LOGO_TYPES)}.")
        if not self.site_name.isprintable():
            raise StartupError("`site_name` has a line break or another control character.", "Use one line of text.")
