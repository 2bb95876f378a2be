"""Other issuers whose assertions clients may trade for tokens, each a table: `[trusted_issuers.corp]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from gatepass.jose import KeySet
from gatepass.jose.errors import JoseError
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.oauth import OAuthSection
from gatepass.server.base.urls import is_https_or_local
from gatepass.tokens import published_keys


class TrustedIssuerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One issuer."""

    issuer: Annotated[str, Meta(description="Its URL, exactly as `iss` of its assertions and of its ID tokens.")]
    jwks_url: Annotated[str, Meta(description="Where its public keys are.")] = ""
    jwks_file: Annotated[str, Meta(description="Or a file that holds them (a JWK Set).")] = ""
    clients: Annotated[tuple[str, ...], Meta(description="Ids of the clients that may use its assertions.")]
    audiences: Annotated[
        tuple[str, ...], Meta(description="The APIs that tokens may be for, of those that the client may have.")
    ]


def check_trusted_issuer(name: str, trusted: TrustedIssuerSettings) -> None:
    """Refuse settings that cannot work.

    Raises:
        StartupError: what is wrong.
    """
    where = f"`trusted_issuers.{name}`"
    mistakes = (
        (not is_https_or_local(trusted.issuer), "has no issuer that is an https URL", "Copy it from its metadata."),
        (bool(trusted.jwks_url) == bool(trusted.jwks_file), "has no keys, or two places for them", "Give jwks_url."),
        (
            bool(trusted.jwks_url) and not is_https_or_local(trusted.jwks_url),
            "has a jwks_url that is no https URL",
            "Copy `jwks_uri` from the issuer's metadata.",
        ),
        (not trusted.clients, "names no clients", 'clients = ["cli_…"]'),
        (not trusted.audiences, "names no audiences", 'audiences = ["https://api.example.com"]'),
    )
    for is_wrong, what, hint in mistakes:
        if is_wrong:
            raise StartupError(f"{where} {what}.", hint)
    if trusted.jwks_file:
        read_keys(trusted.jwks_file)


_HINT = "A JWK Set of public keys is needed."


def read_keys(file: str) -> KeySet:
    """The public keys in a file.

    Raises:
        StartupError: there are none.
    """
    try:
        document = Path(file).read_bytes()
        keys = published_keys.of_tokens(KeySet.from_public_jwks(document))
    except (OSError, JoseError) as error:
        raise StartupError(f"{file} holds no public keys: {error}.", _HINT) from error
    if keys.left_out or not keys:
        raise StartupError(f"{file} holds something else than public keys of signatures.", _HINT)
    return keys


class TrustedIssuerSection(OAuthSection, frozen=True, kw_only=True):
    """The issuers."""

    trusted_issuers: Annotated[
        dict[str, TrustedIssuerSettings],
        Meta(
            description="Other issuers whose assertions clients may trade for tokens (RFC 7523), each a table such as `[trusted_issuers.corp]`; JSON in the environment."
        ),
    ] = msgspec.field(default_factory=dict[str, TrustedIssuerSettings])

    def check(self) -> None:
        """Check that each can be asked for its keys, and is there once."""
        super().check()
        for name, trusted in self.trusted_issuers.items():
            check_trusted_issuer(name, trusted)
        issuers = [trusted.issuer for trusted in self.trusted_issuers.values()]
        if self.issuer_url in issuers or len(set(issuers)) < len(issuers):
            raise StartupError(
                "`trusted_issuers` names an issuer twice, or this server itself.", "One table for each other issuer."
            )
