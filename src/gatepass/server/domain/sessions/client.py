"""OAuth clients: the one that is built in, and those that the operator has registered.

The built-in one is the operator's own applications, which sign people in by `/login`. A registered client proves
itself, by a secret of 256 bits of which only a digest is kept, or by a signature under its own key.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Literal, Protocol

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings import NAME, OWN_SCOPE_PREFIX
from gatepass.server.domain.revocation.status_index import StatusIndex  # noqa: TC001 - msgspec reads the annotations

FIRST_PARTY = "first-party"
"""The built-in client's identifier, reserved. User identifiers begin with `usr_`, so it can never pass for one."""

ACCOUNT_SCOPE = "gatepass:account"
"""With it a client's tokens open people's accounts at this server, as those of the built-in client do."""

CLIENT_PREFIX = "cli"
_SECRET_PREFIX = "gps_"  # noqa: S105 - what secret scanners look for
_SECRET_BYTES = 32

AssertionAudience = Literal["issuer", "token_endpoint"]
"""Whom the assertions of a client may name: the issuer, or the URL of the token endpoint too."""
GrantType = Literal["client_credentials", "refresh_token"]


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A registered client.

    `audience` and `scope` are what its tokens may be for; no audience at all stands for the issuer. `status` is the
    place of its own tokens, which have no session.
    Exactly one of `secret_digest` and `jwks` (its public keys, RFC 7517) is there.
    """

    id: str
    name: str
    grant_types: tuple[GrantType, ...]
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    status: StatusIndex
    created_at: float
    secret_digest: bytes | None = None
    jwks: str | None = None
    assertion_audience: AssertionAudience = "issuer"

    def __repr__(self) -> str:
        """Show what is public."""
        return f"Client(id={self.id!r}, name={self.name!r})"

    def audience_at(self, issuer: str) -> tuple[str, ...]:
        """What its tokens may be for, at this issuer."""
        return self.audience or (issuer,)

    def has_secret(self, secret: str) -> bool:
        """Whether this is the client's secret; the time it takes does not tell how much of it is right."""
        return self.secret_digest is not None and hmac.compare_digest(self.secret_digest, digest(secret))


class Clients(Protocol):
    """Where registered clients are kept. A removed one is not found."""

    async def add(self, client: Client) -> None:
        """Keep a new client."""
        ...

    async def by_id(self, client_id: str) -> Client | None:
        """Find by identifier."""
        ...

    async def all(self) -> list[Client]:
        """Every client, by name."""
        ...

    async def count(self) -> int:
        """How many there are."""
        ...

    async def rotate_secret(self, client_id: str, secret_digest: bytes, status: StatusIndex) -> StatusIndex | None:
        """Replace the secret and the place; the place that the client had, or None when it is not found."""
        ...

    async def set_rights(self, client_id: str, *, audience: tuple[str, ...], scope: tuple[str, ...]) -> None:
        """Replace what its tokens may be for."""
        ...

    async def move(self, client_id: str, status: StatusIndex) -> None:
        """Give it another place: what is minted for it from now on is not what was revoked."""
        ...

    async def remove(self, client_id: str, now: float) -> StatusIndex | None:
        """Remove the client; the place that it had, or None when it is not found."""
        ...


def check_names(*, audience: tuple[str, ...], scope: tuple[str, ...]) -> None:
    """Refuse what cannot be one: such lists are kept between blanks, and a typing error in a right of ours gives none.

    Raises:
        Refusal: `invalid_audience` or `invalid_scope`.
    """
    for name in audience:
        if not NAME.fullmatch(name):
            raise Refusal("invalid_audience", f"An audience is one word of ASCII without quotes, not {name!r}.")
    for name in scope:
        is_ours = name.startswith(OWN_SCOPE_PREFIX)
        if not NAME.fullmatch(name) or (is_ours and name != ACCOUNT_SCOPE):
            raise Refusal("invalid_scope", f"There can be no scope {name!r}; of ours there is {ACCOUNT_SCOPE}.")


def new_secret() -> str:
    """Make a client secret: a recognisable prefix, and 256 random bits."""
    return _SECRET_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def digest(secret: str) -> bytes:
    """What is kept of a secret. It is random, so a plain hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
