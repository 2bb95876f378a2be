"""The keys that tokens are signed with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from gatepass.server.base.settings.database import DatabaseSection
from gatepass.server.base.settings.section import DAY, Seconds, Secret


class KeySection(DatabaseSection, frozen=True, kw_only=True):
    """The master key, and how signing keys follow each other."""

    master_key: Annotated[
        Secret,
        Meta(
            description="32 bytes in base64url that encrypt private keys at rest. Empty: master.key in the data folder, created if absent."
        ),
    ] = ""
    jwks_max_age_seconds: Annotated[
        Seconds, Meta(description="How long clients may cache the JWKS and the metadata, in seconds.")
    ] = 300
    key_rotation_seconds: Annotated[
        Seconds, Meta(description="Interval at which a new signing key takes over, in seconds; 0: never.")
    ] = 30 * DAY
    key_prepublish_seconds: Annotated[
        Seconds,
        Meta(
            description="How long a new key is in the JWKS before it signs, in seconds; at least `jwks_max_age_seconds` and a minute."
        ),
    ] = DAY

    @property
    def master_key_path(self) -> Path:
        """Where the master key is, when it is not set."""
        return Path(self.data_dir) / "master.key"
