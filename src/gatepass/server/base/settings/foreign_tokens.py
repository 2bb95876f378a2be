"""Tokens of the system that users came from, which are traded for ours: `[foreign_tokens.shop]`."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gatepass.jose import Key
from gatepass.jose.errors import JoseError
from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.claims import ClaimSection
from gatepass.server.base.settings.section import DAY, SECRET
from gatepass.tokens.foreign_token import FASTAPI_USERS_AUDIENCE, ForeignKind, ForeignTokenPolicy

LONGEST_SECONDS = 90 * DAY
"""How long tokens of another system may have lived: what ends a user's sessions is remembered for as long."""


class ForeignTokenSettings(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One system."""

    kind: Annotated[ForeignKind, Meta(description="The library that made the tokens.")]
    algorithm: Annotated[
        Literal["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "Ed25519"],
        Meta(description="The algorithm of their signatures."),
    ] = "HS256"
    key: Annotated[str, Meta(description="The secret that signed them, or the public key as PEM.")] = ""
    key_file: Annotated[str, Meta(description="Or a file that holds it.")] = ""
    issuer: Annotated[str, Meta(description="What their `iss` is. Empty: not looked at.")] = ""
    audience: Annotated[
        str,
        Meta(description="What their `aud` is. Empty: `fastapi-users:auth`, and for simplejwt not looked at."),
    ] = ""
    user_id_claim: Annotated[
        str, Meta(description="The claim with the id of the user. Empty: `sub`, and for simplejwt `user_id`.")
    ] = ""
    imported_at: Annotated[
        datetime, Meta(tz=True, description="When the users were imported: no later token is accepted.")
    ]
    lifetime_seconds: Annotated[
        int, Meta(ge=60, le=LONGEST_SECONDS, description="How long the tokens lived; after that none is accepted.")
    ]

    def policy(self, name: str) -> ForeignTokenPolicy:
        """What tokens must be.

        Raises:
            StartupError: the key cannot be used.
        """
        is_fastapi = self.kind == "fastapi-users"
        return ForeignTokenPolicy(
            kind=self.kind,
            key=self._key(f"`foreign_tokens.{name}`"),
            issuer=self.issuer or None,
            audience=self.audience or (FASTAPI_USERS_AUDIENCE if is_fastapi else None),
            user_id_claim=self.user_id_claim or ("sub" if is_fastapi else "user_id"),
            imported_at=self.imported_at.timestamp(),
            lifetime_seconds=self.lifetime_seconds,
        )

    def _key(self, where: str) -> Key:
        if bool(self.key) == bool(self.key_file):
            raise StartupError(f"{where} has no key, or two.", 'key_file = "secret.txt"')
        try:
            text = self.key.encode() or Path(self.key_file).read_bytes().strip()
            if self.algorithm.startswith("HS"):
                return Key.from_secret(text, self.algorithm)
            return Key.from_pem(text, self.algorithm).public()
        except (OSError, JoseError) as error:
            raise StartupError(
                f"The key of {where} cannot be used: {error}.",
                "A secret that is too short can be guessed from any token: then let people sign in again.",
            ) from error


class ForeignTokenSection(ClaimSection, frozen=True, kw_only=True):
    """The systems."""

    foreign_tokens: Annotated[
        dict[str, ForeignTokenSettings],
        SECRET,
        Meta(
            description="Systems that users were imported from and whose access tokens `POST /login` takes for ours, each a table such as `[foreign_tokens.shop]`; JSON in the environment."
        ),
    ] = msgspec.field(default_factory=dict[str, ForeignTokenSettings])

    def check(self) -> None:
        """Check that each has a key."""
        super().check()
        for name, each in self.foreign_tokens.items():
            each.policy(name)
