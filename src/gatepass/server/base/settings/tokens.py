"""What tokens are for, how they are signed, and how long they live."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.keys import KeySection
from gatepass.server.base.settings.section import Seconds
from gatepass.tokens.access_token import MAX_LIFETIME

NAME = re.compile(r"[!#-\[\]-~]+")
"""A scope-token of RFC 6749 §3.3. Grants store lists of them separated by spaces, so it must not contain one."""
OWN_SCOPE_PREFIX = "gatepass:"
"""The prefix of scopes that are rights at this server, which only the operator can give to a client."""
ADMIN_READ = "admin:read"
ADMIN_WRITE = "admin:write"
ADMIN_IMPERSONATE = "admin:impersonate"
SESSIONS_REVOKE = "sessions:revoke"
OPERATOR_SCOPES = frozenset({ADMIN_READ, ADMIN_WRITE, ADMIN_IMPERSONATE, SESSIONS_REVOKE})
"""The rights of operators. Only the command line gives them to a client, and nothing gives one `admin:impersonate`."""

STREAM_SCOPE_PREFIX = "ssf."
"""Reserved for receivers of Shared Signals (CAEP Interoperability Profile §2.7.2)."""
STREAM_READ = "ssf.read"
STREAM_MANAGE = "ssf.manage"
STREAM_SCOPES = frozenset({STREAM_READ, STREAM_MANAGE})
"""The rights of receivers of Shared Signals, for tokens of a client's own. Only the command line gives them."""


def is_own_scope(name: str) -> bool:
    """Whether a scope is a right at this server, so that no API can have it."""
    return name.startswith((OWN_SCOPE_PREFIX, STREAM_SCOPE_PREFIX)) or name in OPERATOR_SCOPES


class TokenSection(KeySection, frozen=True, kw_only=True):
    """Access tokens and refresh tokens."""

    audience: Annotated[
        tuple[str, ...],
        Meta(description="APIs that first-party tokens are for, besides the issuer itself: each adds one `aud`."),
    ] = ()
    scopes: Annotated[
        tuple[str, ...], Meta(description="Scopes that a first-party sign-in may have; all if it requests none.")
    ] = ()
    alg: Annotated[
        Literal["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "Ed25519", "HS256"],
        Meta(
            description="Signature algorithm of access tokens. HS256 is for exactly one API, which shares the secret."
        ),
    ] = "ES256"
    id_token_alg: Annotated[
        Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"],
        Meta(
            description="Signature algorithm of ID tokens for clients that registered none. OpenID Connect expects RS256."
        ),
    ] = "RS256"  # noqa: S105 - the name of an algorithm
    access_token_seconds: Annotated[
        int, Meta(ge=1, le=MAX_LIFETIME, description="Lifetime of an access token, in seconds; at most an hour.")
    ] = 900
    refresh_quiet_seconds: Annotated[
        Seconds,
        Meta(description="How long a refresh token can be used again before its use returns a new one, in seconds."),
    ] = 60
    refresh_grace_seconds: Annotated[
        Seconds,
        Meta(description="How long after a refresh the previous refresh token is still accepted, in seconds."),
    ] = 30

    @property
    def id_token_algs(self) -> tuple[str, ...]:
        """Algorithms that a client may have ID tokens signed with: the one that is set first, then the other key's."""
        return tuple(dict.fromkeys(alg for alg in (self.id_token_alg, self.alg) if not alg.startswith("HS")))

    @property
    def first_party_audience(self) -> tuple[str, ...]:
        """`aud` of first-party tokens: the server's own calls, and the APIs that are set."""
        return tuple(dict.fromkeys((self.issuer_url, *self.audience)))

    def check(self) -> None:
        """HS256 is for one API; audiences and scopes are words, and not ours."""
        super().check()
        self._check_hs256()
        self._check_names()

    def _check_hs256(self) -> None:
        if self.alg == "HS256" and len(self.first_party_audience) != 2:  # noqa: PLR2004 - the issuer and one API
            raise StartupError(
                "HS256 allows only one API besides this server: an API that can verify such tokens can also forge them.",
                "Give one --audience, or another --alg such as ES256.",
            )

    def _check_names(self) -> None:
        for setting, names in (("audience", self.audience), ("scopes", self.scopes)):
            for name in names:
                if not NAME.fullmatch(name):
                    raise StartupError(
                        f"One of `{setting}` is not a name: {name!r}.",
                        "Use ASCII without spaces or quotes (RFC 6749 §3.3).",
                    )
                if is_own_scope(name):
                    raise StartupError(
                        f"One of `{setting}` is one of ours: {name!r}.",
                        f"{', '.join(sorted(OPERATOR_SCOPES))} and what begins with {OWN_SCOPE_PREFIX} or"
                        f" {STREAM_SCOPE_PREFIX} are rights at this server, which `gatepass client add` gives.",
                    )
