"""Which accounts at other sites an import can connect: those of the providers in the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.accounts.linked_identity import Claimed
from gatepass.server.domain.providers.presets import issuer_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gatepass.server.base.settings.providers import ProviderSettings
    from gatepass.server.features.admin.imports.foreign_user import ForeignIdentity

_KINDS = {
    "google-oauth2": "google",
    "windowslive": "microsoft",
    "waad": "microsoft",
    "azure": "microsoft",
    "gitlab-oauth2": "gitlab",
}
"""How other systems call the kinds of providers that have presets here."""


class LinkableProviders:
    """The providers of the settings, and which of them another system's name means."""

    def __init__(self, settings: Mapping[str, ProviderSettings]) -> None:
        self._settings = settings
        self._issuers = {name: issuer_of(name, provider) for name, provider in settings.items()}

    def linked(self, identities: Sequence[ForeignIdentity]) -> tuple[tuple[Claimed, ...], tuple[str, ...]]:
        """The accounts that can be connected, and the names of the providers of the others."""
        found = {each: self._find(each) for each in identities if each.subject}
        claimed = tuple(
            Claimed(
                provider=name,
                issuer=self._issuers[name],
                subject=each.subject,
                email=each.email,
                email_is_verified=False,
            )
            for each, name in found.items()
            if name is not None
        )
        return claimed, tuple(each.provider for each, name in found.items() if name is None)

    def _find(self, identity: ForeignIdentity) -> str | None:
        """By issuer where the file names one; else by kind, where the file says it; else by name."""
        if identity.issuer:
            wanted = identity.issuer.rstrip("/")
            return next(
                (name for name, issuer in self._issuers.items() if issuer and issuer.rstrip("/") == wanted), None
            )
        kind = _KINDS.get(identity.kind or identity.provider, identity.kind or identity.provider)
        named = self._settings.get(identity.provider)
        if (
            named is not None
            and self._issuers[identity.provider]
            and identity.kind in ("", named.kind_of(identity.provider))
        ):
            return identity.provider
        of_kind = [name for name, each in self._settings.items() if each.kind_of(name) == kind and self._issuers[name]]
        return of_kind[0] if len(of_kind) == 1 and kind != "openid" else None
