"""Other sites that users may sign in with, each a table: `[providers.google]`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.mail import MailSection
from gatepass.server.base.settings.section import SECRET
from gatepass.server.base.urls import is_https_or_local

ProviderKind: TypeAlias = Literal["openid", "google", "microsoft", "apple", "gitlab", "github"]

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""Used in paths, and in the provider's redirect URI."""
_TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|common|organizations|consumers")
"""As in the `iss` of Microsoft's ID tokens, which has ids, not domains."""
_WITH_SECRET = ("google", "microsoft", "gitlab", "github")
_WORD = re.compile(r"[!-~]+")


class ProviderSettings(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider."""

    kind: Annotated[
        ProviderKind | None,
        Meta(description="The preset to use. Absent: the one with the table's name, otherwise `openid`."),
    ] = None
    name: Annotated[str, Meta(description="Name shown to users. Empty: the preset's name, or the table's.")] = ""
    issuer: Annotated[
        str,
        Meta(
            description="The provider's URL, as in its ID tokens; for GitHub Enterprise, its web address. Presets have theirs."
        ),
    ] = ""
    client_id: Annotated[str, Meta(description="This server's client id at the provider.")]
    client_secret: Annotated[
        str, Meta(description="The client secret. Empty: a public client, or Apple, where it is signed.")
    ] = ""
    app_client_ids: Annotated[
        tuple[str, ...],
        Meta(description="Client ids of your applications, whose ID tokens `POST /login` also accepts."),
    ] = ()
    scopes: Annotated[tuple[str, ...], Meta(description="Scopes to request in addition to those needed.")] = ()
    domains: Annotated[
        tuple[str, ...],
        Meta(description="Google Workspace domains (`hd`) that users must belong to. Empty: any account."),
    ] = ()
    tenant: Annotated[
        str,
        Meta(
            description="Microsoft's tenant: its id, or common, organizations or consumers, which `tenants` can restrict."
        ),
    ] = ""
    tenants: Annotated[
        tuple[str, ...], Meta(description="Ids of Microsoft tenants (`tid`) that users must belong to. Empty: any.")
    ] = ()
    email_is_verified: Annotated[
        bool,
        Meta(
            description="Trust every email address it names. Only for a provider that assigns these addresses itself."
        ),
    ] = False
    for_organizations: Annotated[
        bool | None,
        Meta(
            description="It belongs to an organization: it vouches for email addresses at that one's proved domains alone, and opens no account that has not been connected to it. True by itself once a domain has named it, unless this is false and no domain names it now; for `openid` only."
        ),
    ] = None
    team_id: Annotated[str, Meta(description="Apple's id of your team.")] = ""
    key_id: Annotated[str, Meta(description="Apple's id of the key that signs the client secret.")] = ""
    private_key_file: Annotated[str, Meta(description="That key, a PEM file (`.p8`).")] = ""
    ca_file: Annotated[
        str,
        Meta(description="PEM file of the certificate authorities to trust for the provider. Empty: the public ones."),
    ] = ""

    def kind_of(self, provider_id: str) -> ProviderKind:
        """The preset: as configured, or the one with this name."""
        if self.kind is not None:
            return self.kind
        match provider_id:
            case "google" | "microsoft" | "apple" | "gitlab" | "github":
                return provider_id
            case _:
                return "openid"


def check_provider(provider_id: str, provider: ProviderSettings) -> None:
    """Refuse settings that cannot work, or would admit the wrong users.

    Raises:
        StartupError: what is wrong.
    """
    if not _ID.fullmatch(provider_id):
        raise StartupError(
            f"{provider_id!r} is not a valid provider id.", "Use lower-case letters, digits and hyphens."
        )
    kind, where = provider.kind_of(provider_id), f"`providers.{provider_id}`"
    for is_wrong, what, hint in _mistakes(kind, provider):
        if is_wrong:
            raise StartupError(f"{where} {what}.", hint)
    for file in (provider.private_key_file, provider.ca_file):
        if file and not Path(file).is_file():
            raise StartupError(f"There is no file {file}.", f"{where} needs it.")
    if provider.issuer and not is_https_or_local(provider.issuer):
        raise StartupError(
            f"The issuer of {where} is not an https URL.", "Copy the issuer from the provider's metadata."
        )


def _mistakes(kind: ProviderKind, provider: ProviderSettings) -> tuple[tuple[bool, str, str], ...]:
    """The possible mistakes: whether each applies, and its text."""
    words = (provider.client_id, *provider.app_client_ids, *provider.scopes)
    apple = (provider.team_id, provider.key_id, provider.private_key_file)
    needs_tenant = kind == "microsoft" and not _TENANT.fullmatch(provider.tenant)
    return (
        (not all(map(_WORD.fullmatch, words)), "has a client id or scope that is not one word", "Copy it again."),
        (kind == "openid" and not provider.issuer, "has no issuer", 'issuer = "https://login.example.com"'),
        (kind in _WITH_SECRET and not provider.client_secret, "has no client_secret", "The provider's console has it."),
        (kind == "apple" and not all(apple), "cannot sign", "Give team_id, key_id and private_key_file."),
        (needs_tenant, "has no tenant", "Give its id, or common, organizations or consumers."),
        (bool(provider.domains) and kind != "google", "has `domains`, which only Google knows", "Remove them."),
        (bool(provider.tenants) and kind != "microsoft", "has `tenants`, which only Microsoft knows", "Remove them."),
    )


class ProviderSection(MailSection, frozen=True, kw_only=True):
    """The providers."""

    providers: Annotated[
        dict[str, ProviderSettings],
        SECRET,
        Meta(
            description="Other sites to sign in with, each a table such as `[providers.google]`; JSON in the environment."
        ),
    ] = msgspec.field(default_factory=dict[str, ProviderSettings])

    def check(self) -> None:
        """Check that each provider can work, over HTTPS."""
        super().check()
        for provider_id, provider in self.providers.items():
            check_provider(provider_id, provider)
