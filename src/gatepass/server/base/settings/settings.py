"""The settings as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, get_origin, get_type_hints

from msgspec import Meta

from gatepass.server.base.settings.organizations import OrganizationSection

if TYPE_CHECKING:
    from collections.abc import Iterator


class Settings(OrganizationSection, frozen=True, kw_only=True):
    """The server's settings: those of every section. `load` checks them as a whole."""

    def __repr__(self) -> str:
        """Show everything but the secrets."""
        secret = set(marked("secret"))
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name not in secret}
        return f"Settings({shown | {'database': self.database_shown}})"


def marked(mark: str) -> Iterator[str]:
    """The names of the settings whose annotation has a mark of `section`."""
    for name, hint in get_type_hints(Settings, include_extras=True).items():
        metadata = hint.__metadata__ if get_origin(hint) is Annotated else ()
        if any(isinstance(each, Meta) and (each.extra or {}).get(mark) for each in metadata):
            yield name
