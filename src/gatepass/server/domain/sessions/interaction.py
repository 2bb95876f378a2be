"""An interaction: the pages between an authorization request and its answer.

All of it stands in the URL of its pages, sealed: nobody can read or change it, and a stranger's request writes nothing.
What has to happen once is the answer, and that is written down when it does.
"""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.keys.sealed_box import SealedBox
from gatepass.server.domain.sessions.authorization_request import AuthorizationRequest  # noqa: TC001 - msgspec reads it

if TYPE_CHECKING:
    from gatepass.server.domain.keys.master_key import DataKey

INTERACTION_SECONDS = 1_800
LONGEST_URL = 7_500
"""Characters of the sealed interaction: with a path before it, nearly every browser and proxy takes that."""
_ID_BYTES = 16


class Interaction(Confidential, frozen=True, kw_only=True, omit_defaults=True):
    """An interaction. Times in seconds since 1970.

    Attributes:
        id: Its name, for what happens in it once; empty until a URL carries it, for nobody can come back before.
        began_at: When the request came.
        request: The request; None for one that was pushed, which the store has.
        pushed: The digest of a pushed request's URI (RFC 9126).
        browser: A digest of the cookie of the browser that it belongs to; empty until there is one.
        chosen: The session that the person has chosen to go on with.
        shown_to: The session of the person who reads the page: nobody else can answer it.
    """

    began_at: float
    id: str = ""
    request: AuthorizationRequest | None = None
    pushed: bytes = b""
    browser: bytes = b""
    chosen: str = ""
    shown_to: str = ""

    @property
    def expires_at(self) -> float:
        """Until when it can be answered."""
        return self.began_at + INTERACTION_SECONDS

    def bound_to(self, browser: str) -> Interaction:
        """The same, for this browser alone."""
        return msgspec.structs.replace(self, browser=digest_of(browser))

    def belongs_to(self, browser: str) -> bool:
        """Whether it is this browser's, or no browser's yet."""
        return not self.browser or hmac.compare_digest(self.browser, digest_of(browser))


class Interactions:
    """Seals interactions for the URLs of their pages, and opens them again."""

    def __init__(self, data_key: DataKey) -> None:
        self._box = SealedBox(Interaction, data_key, "interaction", is_compressed=True)

    def seal(self, interaction: Interaction) -> str:
        """Write one as text for a URL.

        Raises:
            Refusal: `invalid_request`, when that is too long for one; a pushed request never is.
        """
        named = interaction if interaction.id else msgspec.structs.replace(interaction, id=os.urandom(_ID_BYTES).hex())
        text = self._box.seal(named)
        if len(text) > LONGEST_URL:
            raise Refusal("invalid_request", "The request is too long for a URL: push it (RFC 9126).")
        return text

    def open(self, text: str, *, now: float) -> Interaction | None:
        """Read one back; None when it is none of ours, or too old."""
        interaction = self._box.open(text) if len(text) <= LONGEST_URL else None
        return interaction if interaction is not None and now < interaction.expires_at else None


def new_interaction(request: AuthorizationRequest | None, now: float, *, pushed: bytes = b"") -> Interaction:
    """Begin an interaction, about a request or the digest of one that was pushed."""
    return Interaction(began_at=now, request=request, pushed=pushed)
