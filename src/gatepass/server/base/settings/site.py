"""How pages and mails look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.origins import OriginSection
from gatepass.server.base.texts import Texts

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

    def check(self) -> None:
        """The files are there, the texts can be used, the logo is a picture, and the name is one line."""
        super().check()
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
