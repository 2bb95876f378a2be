"""OAuth clients: the built-in one, and those that are registered.

The built-in one is the operator's own applications, which sign people in by `/login`. A registered client proves
itself, by a secret of 256 bits of which only a digest is kept, or by a signature under its own key.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Literal, Protocol

import msgspec

from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings.tokens import (
    ADMIN_IMPERSONATE,
    NAME,
    OPERATOR_SCOPES,
    STREAM_SCOPES,
    is_own_scope,
)
from gatepass.server.domain.revocation.status_index import StatusIndex  # noqa: TC001 - msgspec reads the annotations
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.server.domain.sessions.sector import sector_of

FIRST_PARTY = "first-party"
"""The built-in client's identifier, reserved. User identifiers begin with `usr_`, so it can never pass for one."""

ACCOUNT_SCOPE = "gatepass:account"
"""With this scope, a client's tokens can manage accounts at this server, as those of the built-in client can."""

OWN_SCOPES = (ACCOUNT_SCOPE, *sorted(OPERATOR_SCOPES - {ADMIN_IMPERSONATE}), *sorted(STREAM_SCOPES))
"""The rights at this server that a client can be given."""

OPENID = "openid"
"""The scope that asks for an ID token, and opens UserInfo (OpenID Connect Core §3.1.2.1)."""

CLIENT_PREFIX = "cli"
_SECRET_PREFIX = "gps_"  # noqa: S105 - what secret scanners look for
_SECRET_BYTES = 32

AssertionAudience = Literal["issuer", "token_endpoint"]
"""What a client's assertions may have as `aud`: the issuer, or also the URL of the token endpoint."""
GrantType = Literal[
    "authorization_code",
    "client_credentials",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
]
AuthMethod = Literal["client_secret", "client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
"""How a client proves to be itself at the token endpoint; `client_secret` stands for either way to send one."""
ClientOrigin = Literal["cli", "dcr", "cimd"]
"""Who registered a client: the operator, the client itself (RFC 7591), or the document that its identifier names."""


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A registered client. Times in seconds since 1970.

    Attributes:
        id: Its identifier: one that we made, or the URL of its metadata document.
        name: Its name for users.
        grant_types: The grants that it may use.
        audience: What its tokens may be for; none stands for the issuer.
        scope: The scopes that its tokens may have.
        status: The status index of its own tokens, which have no session.
        created_at: When it was registered.
        auth_method: How it proves to be itself.
        secret_digest: What is kept of its secret, if it has one.
        second_secret_digest: What is kept of the secret before, which is taken until `second_secret_until`.
        second_secret_until: See there.
        jwks: Its public keys (RFC 7517), if it registered them.
        assertion_audience: What its assertions may have as `aud`.
        metadata: What it says of itself.
        rules: What the operator decides about it.
        origin: Who registered it.
        registration_digest: What is kept of the token with which it may change its registration (RFC 7592).
        disabled_at: When the operator disabled it.
        used_at: When it was last given a code.
    """

    id: str
    name: str
    grant_types: tuple[GrantType, ...]
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    status: StatusIndex
    created_at: float
    auth_method: AuthMethod = "client_secret"
    secret_digest: bytes | None = None
    second_secret_digest: bytes | None = None
    second_secret_until: float = 0
    jwks: str | None = None
    assertion_audience: AssertionAudience = "issuer"
    metadata: ClientMetadata = ClientMetadata()
    rules: ClientRules = ClientRules()
    origin: ClientOrigin = "cli"
    registration_digest: bytes | None = None
    disabled_at: float | None = None
    used_at: float | None = None

    def __repr__(self) -> str:
        """Show what is public."""
        return f"Client(id={self.id!r}, name={self.name!r})"

    @property
    def is_public(self) -> bool:
        """Whether it cannot keep a secret (RFC 6749 §2.1), so that nothing authenticates it."""
        return self.auth_method == "none"

    @property
    def is_self_registered(self) -> bool:
        """Whether no operator has looked at it."""
        return self.origin != "cli"

    @property
    def sector(self) -> str:
        """The host at which it knows people by names of their own; empty where everybody knows them by ours."""
        return sector_of(self.metadata, self.id)

    def audience_at(self, issuer: str) -> tuple[str, ...]:
        """What its tokens may be for, at this issuer."""
        return self.audience or (issuer,)

    def has_secret(self, secret: str, now: float) -> bool:
        """Whether this is the client's secret, compared in constant time."""
        presented = digest_of(secret)
        is_current = self.secret_digest is not None and hmac.compare_digest(self.secret_digest, presented)
        is_former = self.second_secret_digest is not None and hmac.compare_digest(self.second_secret_digest, presented)
        return is_current or (is_former and now < self.second_secret_until)


class Clients(Protocol):
    """The store of registered clients; removed ones are not found."""

    async def add(self, client: Client) -> None:
        """Keep a new client."""
        ...

    async def by_id(self, client_id: str) -> Client | None:
        """Find by identifier."""
        ...

    async def all(self) -> list[Client]:
        """Every client, by name."""
        ...

    async def any_with(self, scope: str) -> bool:
        """Whether any of them may ask for a scope."""
        ...

    async def count(self) -> int:
        """How many there are."""
        ...

    async def count_unused(self) -> int:
        """How many have registered themselves, and were given no code yet."""
        ...

    async def unused_since(self, created_before: float, *, most: int) -> list[str]:
        """Some of those that did so before then."""
        ...

    async def replace(self, client: Client) -> None:
        """Keep all that is known of a client anew, but for its status index and when it was used."""
        ...

    async def note_use(self, client_id: str, now: float) -> None:
        """Keep when it was given a code."""
        ...

    async def move(self, client_id: str, status: StatusIndex) -> None:
        """Give it another status index: tokens issued from now on are not revoked."""
        ...

    async def remove(self, client_id: str, now: float) -> StatusIndex | None:
        """Remove the client; return its status index, or None if it is not found."""
        ...


def check_names(*, audience: tuple[str, ...], scope: tuple[str, ...]) -> None:
    """Refuse what cannot be one: such lists are kept between blanks, and a typing error in a right of ours gives none.

    Raises:
        Refusal: `invalid_audience` or `invalid_scope`.
    """
    for name in audience:
        if not NAME.fullmatch(name):
            raise Refusal("invalid_audience", f"An audience is ASCII without spaces or quotes, not {name!r}.")
    for name in scope:
        if not NAME.fullmatch(name) or (is_own_scope(name) and name not in OWN_SCOPES):
            raise Refusal(
                "invalid_scope", f"There can be no scope {name!r}; of ours there are {', '.join(OWN_SCOPES)}."
            )


def new_secret() -> str:
    """Make a client secret: a recognisable prefix, and 256 random bits."""
    return _SECRET_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
